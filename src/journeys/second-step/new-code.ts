import { spelledCode } from '../../domain/factors/factors.js';
import { finish } from '../sign-in/going-on.js';
import { advance, type Turn } from '../turn.js';

const PURPOSE = 'new-recovery-code';
const SET = 'new-recovery-codes';

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

/** A set of new recovery codes, sealed for this request: they are kept nowhere else. */
export function sealCodes({ parts, pending }: Turn, codes: readonly string[]): string {
  return parts.keyring
    .seal(SET, JSON.stringify([pending.uid, ...codes.map(spelledCode)]))
    .toString('base64url');
}

/** The recovery codes that are shown in this request. */
export function openCodes({ parts, pending, progress }: Turn): readonly string[] {
  const sealed = Buffer.from(progress.firstCodes ?? '', 'base64url');
  const [uid, ...codes] = JSON.parse(parts.keyring.open(SET, sealed)) as readonly string[];
  if (uid !== pending.uid) throw new Error('these codes belong to another request');
  return codes;
}

/** The codes as a file, for whoever keeps them so. */
export async function giveFirstCodes(turn: Turn): Promise<void> {
  const { ctx, parts } = turn;
  ctx.status = 200;
  ctx.set('Content-Disposition', 'attachment; filename="recovery-codes.txt"');
  ctx.type = 'text/plain; charset=utf-8';
  ctx.body = `${parts.pages.say(ctx, 'ways.codes_file')}\n${parts.issuer.origin}\n\n${openCodes(turn).join('\n')}\n`;
}

/** "I have kept them": they are shown no more, and the request goes on. */
export async function leaveFirstCodes(turn: Turn): Promise<void> {
  const { firstCodes: _, newPhone: __, ...progress } = turn.progress;
  if (!progress.signedIn) throw new Error('codes were made for nobody');
  await finish({ ...turn, progress }, progress.signedIn);
}
