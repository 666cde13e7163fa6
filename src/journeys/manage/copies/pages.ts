import {
  dropExport,
  EXPORT_DAYS,
  EXPORTS_A_DAY,
  type Export,
  isFetchable,
  isUnderWay,
  listExports,
} from '../../../domain/exports/exports.js';
import { EXPORT_SCOPES, type ExportScope } from '../../../platform/storage/export-file.js';
import { openWork } from '../../../platform/storage/work.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';
import { isEventId } from '../history/listing.js';
import { askCopy, fetchCopy, kindsOf, ownCopy } from './copies.js';
import { COPY_DONE, type CopySection, type ShownCopy } from './models.js';

const DATA = '/account/data';
const COPY = `${DATA}/copy` as const;
const COPIES = `${DATA}/copies` as const;

/**
 * Asking for a copy, fetching it and doing away with it. Whoever asks or fetches proves anew who they are (ASVS 7.5.1); whoever
 * does away with one makes nobody poorer but themselves.
 */
export const COPY_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: COPY, sensitive: true, within: 'data', run: call => showAsk(call) },
  { method: 'POST', path: COPY, sensitive: true, within: 'data', keeps: ['scope'], run: ask },
  { method: 'GET', path: `${COPIES}/:id/file`, sensitive: true, run: fetchFile },
  { method: 'GET', path: `${COPIES}/:id/state`, run: tellState },
  { method: 'POST', path: `${COPIES}/:id/drop`, form: DATA, run: drop },
];

const scopeOf = (typed: unknown): ExportScope | undefined => EXPORT_SCOPES.find(one => one === typed);

function showAsk(call: AccountCall, problem?: 'running' | 'enough'): void {
  const scope = scopeOf(call.sent['scope'] ?? call.draft['scope']) ?? 'access';
  if (problem) call.ctx.status = problem === 'running' ? 409 : 429;
  showAccount(call, 'account/copy', {
    ...(problem && { problem }),
    scope,
    days: EXPORT_DAYS,
    aDay: EXPORTS_A_DAY,
  });
}

async function ask(call: AccountCall): Promise<void> {
  const { ctx, parts, sent } = call;
  const scope = scopeOf(sent['scope']);
  if (!scope) return showAsk(call);
  const { outcome } = await askCopy(call, scope, parts.pages.language(ctx));
  if (outcome !== 'asked') return showAsk(call, outcome === 'running' ? 'running' : 'enough');
  leadTo(call, DATA, 'asked');
}

async function fetchFile(call: AccountCall): Promise<void> {
  const { ctx, params } = call;
  const { name, stream } = await fetchCopy(call, params['id'] ?? '');
  ctx.attachment(name);
  ctx.type = 'application/zip';
  ctx.body = stream;
}

async function drop(call: AccountCall): Promise<void> {
  const { parts, me, actor, params } = call;
  const id = params['id'] ?? '';
  const dropped = isEventId(id)
    ? await openWork(parts.db, actor, work => dropExport(work, { accountId: me.accountId, id }))
    : 'none';
  leadTo(call, DATA, dropped === 'none' ? 'over' : dropped);
}

/* What the page looks at now and then, where scripts run. */
async function tellState(call: AccountCall): Promise<void> {
  const copy = await ownCopy(call, call.params['id'] ?? '');
  call.ctx.body = { state: stateOf(copy) };
}

const stateOf = ({ state, walked }: Export) => `${state} ${walked}`;

/** What somebody sees of their copies. */
export async function copySection(call: AccountCall): Promise<CopySection> {
  const copies = await listExports(call.parts.db, call.me.accountId);
  const now = new Date();
  const isCurrent = (copy: Export) => isUnderWay(copy) || isFetchable(copy, now);
  const done = doneHere(call, COPY_DONE);
  return {
    ...(done && { done }),
    current: await Promise.all(copies.filter(isCurrent).map(copy => shown(call, copy))),
    earlier: copies.filter(copy => !isCurrent(copy)).map(over),
    askUrl: COPY,
  };
}

const said = ({ id, scope, state, askedAt, fetchedAt }: Export): ShownCopy => ({
  id,
  scope,
  state,
  askedAt,
  ...(fetchedAt && { fetchedAt }),
});

/* The job that ends it comes a little after its last moment. */
const over = (copy: Export): ShownCopy => ({
  ...said(copy),
  ...(copy.state === 'ready' && { state: 'expired' }),
});

async function shown(call: AccountCall, copy: Export): Promise<ShownCopy> {
  const { id, state, walked, bytes, expiresAt, scope } = copy;
  const dropUrl = `${COPIES}/${id}/drop`;
  if (state !== 'ready') {
    const watch = { url: `${COPIES}/${id}/state`, state: stateOf(copy) };
    return { ...said(copy), dropUrl, watch, walked: { count: walked, of: await kindsOf(call, scope) } };
  }
  const megabytes = Math.max(Math.round(bytes / 100_000) / 10, 0.1);
  return {
    ...said(copy),
    dropUrl,
    fileUrl: `${COPIES}/${id}/file`,
    megabytes,
    ...(expiresAt && { until: expiresAt }),
  };
}
