import {
  askExport,
  type Export,
  findExport,
  isFetchable,
  isUnderWay,
  noteFetched,
  openExport,
} from '../../../domain/exports/exports.js';
import { Refusal } from '../../../platform/errors.js';
import type { ExportScope } from '../../../platform/storage/export-file.js';
import { type Actor, openWork } from '../../../platform/storage/work.js';
import type { Doing } from '../../notices/tell.js';
import { tellEveryone } from '../../notices/tell.js';
import { exportJob } from '../../privacy/export-job.js';
import { filesOf } from '../../privacy/export-rooms.js';
import { noteFulfilled } from '../../privacy/rights/ask.js';
import { fileNameOf, zipOf } from '../../privacy/zip.js';
import { isEventId } from '../history/listing.js';

/** Somebody, or an app for them. */
export interface Asker extends Doing {
  readonly me: { readonly accountId: string };
  readonly actor: Actor;
}

/** Puts a copy on record, begins it, and tells its owner at every proven address, all in one. */
export async function askCopy(asker: Asker, scope: ExportScope, language: string) {
  const { parts, me, actor } = asker;
  return openWork(parts.db, actor, async work => {
    const { accountId } = me;
    const asked = await askExport(work, parts.keyring, { accountId, scope, language });
    if (asked.outcome !== 'asked') return asked;
    work.enqueue(exportJob({ accountId, id: asked.id }));
    await noteFulfilled(work, parts.keyring, accountId, scope);
    await tellEveryone(work, asker, { accountId, kind: 'export_asked' });
    return asked;
  });
}

/** One's own copy; somebody else's is none, like one that never was. */
export async function ownCopy({ parts, me }: Pick<Asker, 'parts' | 'me'>, id: string): Promise<Export> {
  const found = isEventId(id) ? await findExport(parts.db, { accountId: me.accountId, id }) : undefined;
  if (!found) throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  return found;
}

/** Of how many kinds of things copies of a scope are made. */
export async function kindsOf(
  { parts, me }: Pick<Asker, 'parts' | 'me'>,
  scope: ExportScope,
): Promise<number> {
  return (await filesOf(parts, { accountId: me.accountId, scope })).length;
}

/** So often somebody fetches copies in a day. */
const FETCHES = { name: 'export-fetch', per: 'account', max: 20, window: 86_400 } as const;

/** The ZIP of one's own copy, opened while it is sent, and on record before; refuses one that is not ready or over. */
export async function fetchCopy({ parts, me, actor, ctx }: Asker, id: string) {
  const { accountId } = me;
  const found = await ownCopy({ parts, me }, id);
  if (isUnderWay(found)) throw new Refusal('conflict', 'not_ready', 'This copy is not ready yet.');
  const copy = await openExport(parts.db, parts.keyring, { accountId, id });
  if (!copy || !isFetchable(copy, new Date())) throw gone();
  const verdict = await parts.protection.count([{ ...FETCHES, subject: accountId }]);
  if (!verdict.allowed) {
    const { retryAfter } = verdict;
    throw new Refusal('limited', 'too_many_fetches', 'This was fetched many times already.', { retryAfter });
  }
  const noted =
    ctx.method === 'HEAD' || (await openWork(parts.db, actor, work => noteFetched(work, { accountId, id })));
  if (!noted) throw gone();
  return { id, name: fileNameOf(copy), stream: await zipOf(parts.db, copy) };
}

const gone = () => new Refusal('conflict', 'copy_over', 'This copy cannot be fetched any more.');
