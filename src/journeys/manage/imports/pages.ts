import { dropImport, keepImport } from '../../../domain/exports/exports.js';
import { changeProfile } from '../../../domain/profiles/profiles.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { readForm } from '../../../platform/web/input.js';
import { readUpload, type Upload } from '../../../platform/web/upload.js';
import { IMPORT_MEGABYTES, readCopy } from '../../privacy/unpack.js';
import { type AccountCall, type AccountPage, leadTo, showAccount } from '../door.js';
import { profileOf } from '../profile/entries.js';
import { countChange } from '../profile/limits.js';
import { putPicture } from '../profile/picture.js';
import { tellOfChanges } from '../profile/tell.js';
import type { ImportWord } from './models.js';
import { broughtBy, keptOf, shownBrought, takeableOf } from './offers.js';

const IMPORT = '/account/data/import';

const read: NonNullable<AccountPage['read']> = (ctx, csrf) =>
  ctx.is('multipart/form-data')
    ? readUpload(ctx, csrf, { file: 'copy', megabytes: IMPORT_MEGABYTES })
    : readForm(ctx, csrf);

/** What somebody brings from another Keyhold: read, looked at, and taken value by value. Nothing that was proved there is proved here. */
export const IMPORT_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: IMPORT, sensitive: true, within: 'data', run: call => showImport(call) },
  { method: 'POST', path: IMPORT, sensitive: true, within: 'data', read, run: bring },
  { method: 'POST', path: `${IMPORT}/take`, sensitive: true, within: 'data', form: IMPORT, run: take },
  { method: 'POST', path: `${IMPORT}/drop`, form: IMPORT, run: drop },
];

async function showImport(call: AccountCall, problem?: ImportWord): Promise<void> {
  const kept = await broughtBy(call);
  if (problem) call.ctx.status = problem === 'blocked' ? 409 : 422;
  showAccount(call, 'account/import', {
    megabytes: IMPORT_MEGABYTES,
    ...(problem && { problem }),
    ...(kept && { brought: await shownBrought(call, kept) }),
  });
}

/* One at a time in a process: what is unpacked lies in memory. */
let reading = false;

async function bring(call: AccountCall): Promise<void> {
  const { parts, me, actor, sent } = call;
  await countChange({ ...call, accountId: me.accountId });
  const { bytes, tooLarge } = (sent['copy'] ?? {}) as Partial<Upload>;
  if (tooLarge) return showImport(call, 'too_large');
  if (!(bytes instanceof Buffer)) return showImport(call, 'missing');
  if (reading) throw new Refusal('busy', 'busy', 'Another copy is being read.', { retryAfter: 5 });
  reading = true;
  try {
    const copy = await readCopy(bytes);
    if (typeof copy === 'string') return await showImport(call, copy);
    const kept = await keptOf(copy);
    await openWork(parts.db, actor, async work => keepImport(work, parts.keyring, me.accountId, kept));
  } finally {
    reading = false;
  }
  leadTo(call, IMPORT);
}

async function take(call: AccountCall): Promise<void> {
  const { parts, me, actor, sent } = call;
  const { accountId } = me;
  const kept = await broughtBy(call);
  if (!kept) return showImport(call, 'missing');
  await countChange({ ...call, accountId });
  const ticked = new Set([sent['take']].flat().map(String));
  const { takeable } = takeableOf(await profileOf(parts, accountId), kept, new Date());
  const chosen = takeable.filter(({ entry }) => ticked.has(entry.attribute.name));
  const given = chosen.filter(({ picture }) => picture === undefined);
  const values = Object.fromEntries(given.map(({ entry, value }) => [entry.attribute.name, value]));
  const asking = { accountId, values, fresh: true, source: 'imported' } as const;
  const outcome = await openWork(parts.db, actor, async work => {
    const changed = await changeProfile(work, { schema: parts.profile, keyring: parts.keyring }, asking);
    if (changed.outcome === 'taken') await tellOfChanges(work, call, accountId, changed.changes);
    return changed.outcome;
  });
  if (outcome !== 'taken') return showImport(call, 'blocked');
  for (const { entry, picture } of chosen) {
    if (!picture) continue;
    const asked = {
      accountId,
      attribute: entry.attribute,
      bytes: picture,
      fresh: true,
      source: 'imported',
    } as const;
    await putPicture(call, actor, asked);
  }
  await openWork(parts.db, actor, work => dropImport(work, accountId));
  leadTo(call, '/account/profile', 'changed');
}

async function drop(call: AccountCall): Promise<void> {
  const { parts, me, actor } = call;
  await openWork(parts.db, actor, work => dropImport(work, me.accountId));
  leadTo(call, '/account/data');
}
