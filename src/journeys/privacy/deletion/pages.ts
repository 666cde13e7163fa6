import type Router from '@koa/router';
import type Koa from 'koa';
import {
  type Deletion,
  type DeletionRecipient,
  findAccountOf,
  findDeletionByLink,
  listRecipients,
} from '../../../domain/deletions/deletions.js';
import { RECEIPT_TYPE } from '../../../oidc/receipts.js';
import { openWork } from '../../../platform/storage/work.js';
import { readForm } from '../../../platform/web/input.js';
import { askedFrom } from '../../../platform/web/origin.js';
import { noteReplay, type Parts, seeOther, show } from '../../journey.js';
import { countTry, RECEIPTS, STATEMENTS } from '../../limits.js';
import { labelOf } from '../../manage/disclosures/labels.js';
import { undo } from './ask.js';
import type { StatementPage, StatementRecipient, StatementTime } from './models.js';
import { signStatement } from './statement.js';
import { waitingRoutes } from './waiting.js';

/** The private link of a deletion: works in any browser, without an account, while it waits and long after. */
export function deletionRoutes(router: Router, parts: Parts): void {
  waitingRoutes(router, parts);
  router.get('/deletion/:token', ctx => look(ctx, parts));
  router.post('/deletion/:token/keep', ctx => keep(ctx, parts));
  router.get('/deletion/:token/statement.jws', ctx => download(ctx, parts));
}

const SHAPE = /^[\w-]{43}$/;
const tokenOf = (ctx: Koa.Context) => (ctx['params'] as { readonly token: string }).token;

/* Whoever guesses is counted, and on record; whoever has the link is not. */
async function found(ctx: Koa.Context, parts: Parts): Promise<Deletion | undefined> {
  ctx.set('X-Robots-Tag', 'noindex, nofollow, noarchive');
  ctx.set('Cache-Control', 'no-store');
  const token = tokenOf(ctx);
  const deletion = SHAPE.test(token) ? await findDeletionByLink(parts.db, token) : undefined;
  if (deletion) return deletion;
  await countTry({ ctx, parts }, STATEMENTS);
  await noteReplay(ctx, parts, 'deletion_link');
  show(ctx, parts, 'deletion/unknown', {});
  ctx.status = 404;
  return undefined;
}

const PER_PAGE = 50;

/* Looking changes nothing, since mail scanners look. */
async function look(ctx: Koa.Context, parts: Parts): Promise<void> {
  const deletion = await found(ctx, parts);
  if (!deletion) return;
  const url = `/deletion/${tokenOf(ctx)}`;
  const { after } = ctx.query;
  const rows = await listRecipients(parts.db, deletion.id, {
    limit: PER_PAGE + 1,
    ...(typeof after === 'string' && { after: after.slice(0, 200) }),
  });
  const here = typeof after === 'string' ? `${url}?after=${encodeURIComponent(after)}` : url;
  const speaking = { language: parts.pages.language(ctx), say: (key: string) => parts.pages.say(ctx, key) };
  const label = labelOf(parts, speaking);
  show(ctx, parts, 'deletion/statement', { ...pageOf(deletion, rows, url, label), here });
}

function pageOf(
  deletion: Deletion,
  rows: readonly DeletionRecipient[],
  url: string,
  label: (claim: string) => string,
): StatementPage {
  const { state, beginsAt, cause } = deletion;
  if (state === 'waiting') return { state, beginsAt, keepUrl: `${url}/keep` };
  if (state === 'undone') return { state: 'kept' };
  const recipients = rows.slice(0, PER_PAGE);
  const last = recipients.at(-1);
  const older = rows.length > PER_PAGE && last && `${url}?after=${encodeURIComponent(last.clientId)}`;
  return {
    state: state === 'finished' || state === 'audited' ? 'finished' : 'under_way',
    restored: cause === 'restored',
    times: timesOf(deletion),
    recipients: recipients.map(one => recipientOf(one, label)),
    ...(older && { olderUrl: older }),
    downloadUrl: `${url}/statement.jws`,
  };
}

function timesOf(deletion: Deletion): readonly StatementTime[] {
  const { askedAt, begunAt, removedAt, finishedAt, auditsAt, auditedAt } = deletion;
  const all = [
    ['asked_at', askedAt],
    ['begun_at', begunAt],
    ['removed_at', removedAt],
    ['finished_at', finishedAt],
    ['audits_at', auditedAt ? undefined : auditsAt],
    ['audited_at', auditedAt],
  ] as const;
  return all.flatMap(([word, at]) => (at === undefined ? [] : [{ word, at }]));
}

function recipientOf(one: DeletionRecipient, label: (claim: string) => string): StatementRecipient {
  const { name, claims, state, note, endedAt, askedAt, audit, auditedAt } = one;
  const at = endedAt ?? askedAt;
  return {
    claims: claims.map(label),
    state,
    ...(name !== undefined && { name }),
    ...(note !== undefined && { note }),
    ...(at !== undefined && { at }),
    ...(audit !== undefined && { audit }),
    ...(auditedAt !== undefined && { auditedAt }),
  };
}

async function keep(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const deletion = await found(ctx, parts);
  if (!deletion) return;
  const { id } = deletion;
  const accountId = await findAccountOf(parts.db, id);
  if (accountId !== undefined) {
    const asked = { at: new Date(), ...askedFrom(ctx) };
    await openWork(parts.db, { kind: 'person', id: accountId }, work =>
      undo(work, parts, { id, accountId, by: 'link', asked }),
    );
  }
  seeOther(ctx, `/deletion/${tokenOf(ctx)}`);
}

async function download(ctx: Koa.Context, parts: Parts): Promise<void> {
  const deletion = await found(ctx, parts);
  if (!deletion) return;
  await countTry({ ctx, parts }, RECEIPTS);
  ctx.body = await openWork(parts.db, { kind: 'person' }, work => signStatement(work, parts, deletion));
  ctx.type = RECEIPT_TYPE;
  ctx.attachment(`deletion-${deletion.id}.jws`);
}
