import { finish } from '../sign-in/going-on.js';
import { advance, type Turn } from '../turn.js';

const PURPOSE = 'new-recovery-code';

/** The code that took the place of a used one, sealed for this request: it is kept nowhere else. */
export function sealNewCode({ parts, pending }: Turn, code: string): string {
  return parts.keyring.seal(PURPOSE, JSON.stringify([pending.uid, code])).toString('base64url');
}

/** The code that is shown in this request. */
export function openNewCode({ parts, pending, progress }: Turn): string {
  const sealed = Buffer.from(progress.newCode ?? '', 'base64url');
  const [uid, code] = JSON.parse(parts.keyring.open(PURPOSE, sealed)) as [string, string];
  if (uid !== pending.uid) throw new Error('this code belongs to another request');
  return code;
}

/** "I have kept it": the code is shown no more, and the request goes on. */
export async function leaveNewCode(turn: Turn): Promise<void> {
  const { newCode: _, ...progress } = turn.progress;
  if (progress.signedIn) return finish(turn, progress.signedIn);
  advance(turn, progress);
}
