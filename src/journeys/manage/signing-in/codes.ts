import {
  findFactors,
  newRecoveryCodes,
  replaceCodes,
  spelledCode,
  storedCodes,
  typedCode,
} from '../../../domain/factors/factors.js';
import { seeOther } from '../../journey.js';
import { type AccountCall, type AccountPage, leadTo, showAccount } from '../door.js';
import { keepDraft } from '../draft.js';
import { changing, WAYS } from './ways.js';

const CODES = `${WAYS}/recovery-codes` as const;

/** Recovery codes: shown once, right after they were made, to be printed or kept as a file. */
export const CODE_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: CODES, run: showCodes },
  { method: 'POST', path: CODES, sensitive: true, run: makeCodes },
  { method: 'POST', path: `${CODES}/file`, form: CODES, run: giveFile },
];

/** Leads to the page that shows new codes: they are with this person's browser, sealed, until it has shown them once. */
export function leadToCodes({ ctx, parts, me }: AccountCall, codes: readonly string[]): void {
  keepDraft(ctx, parts, CODES, me.accountId, { codes: codes.join(' ') });
  seeOther(ctx, CODES);
}

async function showCodes(call: AccountCall): Promise<void> {
  const { parts, me, draft } = call;
  const { apps, codes } = await findFactors(parts.db, me.accountId);
  showAccount(call, 'account/sign-in/recovery-codes', {
    codes: codesIn(draft['codes']),
    left: codes?.left ?? 0,
    ...(codes && { madeAt: codes.madeAt }),
    needless: apps.length === 0 && !codes,
  });
}

function codesIn(text: unknown): readonly string[] {
  if (typeof text !== 'string') return [];
  const codes = text.slice(0, 1_000).split(/\s+/).map(typedCode);
  return codes.flatMap(code => (code === undefined ? [] : [spelledCode(code)]));
}

async function makeCodes(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const { apps, codes: old } = await findFactors(parts.db, me.accountId);
  if (apps.length === 0 && !old) return leadTo(call, CODES);
  const codes = newRecoveryCodes();
  const stored = await storedCodes(parts.hasher, codes);
  await changing(call, async (work, tell) => {
    await replaceCodes(work, me.accountId, stored);
    await tell({ kind: 'recovery_codes_made' });
  });
  leadToCodes(call, codes);
}

/* The page that shows the codes sends them along: nobody else has them any more. */
function giveFile(call: AccountCall): void {
  const { ctx, parts, sent } = call;
  const codes = codesIn(sent['codes']);
  if (codes.length === 0) return leadTo(call, CODES);
  ctx.status = 200;
  ctx.set('Content-Disposition', 'attachment; filename="recovery-codes.txt"');
  ctx.type = 'text/plain; charset=utf-8';
  ctx.body = `${parts.pages.say(ctx, 'ways.codes_file')}\n${parts.issuer.origin}\n\n${codes.join('\n')}\n`;
}
