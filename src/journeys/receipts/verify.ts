import type Router from '@koa/router';
import type Koa from 'koa';
import { CONSENT_EVENTS } from '../../domain/consents/consents.js';
import { listReceiptKeys, RECEIPT_TYPE } from '../../oidc/receipts.js';
import { readFile, readUpload, type Upload } from '../../platform/web/upload.js';
import { type Parts, show } from '../journey.js';
import { countTry, RECEIPTS } from '../limits.js';
import { checkStatement, type Statement } from '../privacy/deletion/statement.js';
import { type CheckedReceipt, checkReceipt } from './check.js';

const PATH = '/receipts/verify';
const MEGABYTES = 0.2;

/** Anybody may check a receipt: on a page, or by a program that sends it as it is (`application/jose`). */
export function receiptRoutes(router: Router, parts: Parts): void {
  router.get(PATH, ctx => showForm(ctx, parts));
  router.post(PATH, ctx => (ctx.is(RECEIPT_TYPE) ? answer(ctx, parts) : check(ctx, parts)));
  router.get('/receipts/jwks.json', ctx => showKeys(ctx, parts));
}

function showForm(ctx: Koa.Context, parts: Parts, problem?: 'receipt_missing' | 'receipt_too_large'): void {
  show(ctx, parts, 'receipts/verify', {
    here: PATH,
    kilobytes: MEGABYTES * 1_000,
    ...(problem && { problems: [{ word: problem, field: 'receipt' }] }),
  });
  ctx.status = problem ? 400 : 200;
}

async function check(ctx: Koa.Context, parts: Parts): Promise<void> {
  const sent = await readUpload(ctx, parts.csrf, { file: 'receipt', megabytes: MEGABYTES });
  const upload = sent['receipt'] as Upload | undefined;
  if (upload?.tooLarge) return showForm(ctx, parts, 'receipt_too_large');
  if (!upload?.bytes) return showForm(ctx, parts, 'receipt_missing');
  await countTry({ ctx, parts }, RECEIPTS);
  const text = upload.bytes.toString('utf8');
  const statement = await checkStatement(parts, text);
  if (statement)
    return show(ctx, parts, 'receipts/result', { here: PATH, statement: resultOfStatement(statement) });
  const checked = await checkReceipt(parts, text);
  show(ctx, parts, 'receipts/result', {
    here: PATH,
    ...(checked.valid ? resultOf(checked.receipt) : { fault: checked.fault }),
  });
  ctx.status = checked.valid ? 200 : 422;
}

function resultOf({ issued_at, consent_record: record }: CheckedReceipt) {
  const { services, purposes, pii_information: information } = record.pii_processing;
  const [event] = record.event;
  const of = (allowed: boolean) => information.filter(each => each.allowed === allowed);
  return {
    app: services.name,
    event: CONSENT_EVENTS.find(each => each === event.event_type) ?? 'other',
    happenedAt: new Date(event.event_time),
    issuedAt: new Date(issued_at),
    purposes: purposes.map(({ purpose }) => purpose),
    allowed: of(true).map(({ pii_type }) => pii_type),
    refused: of(false).map(({ pii_type }) => pii_type),
    subject: record.pii_principal_id,
  };
}

function resultOfStatement({ deletion_id: id, state, asked_at, issued_at }: Statement) {
  const isOver = state === 'finished' || state === 'audited';
  const dates = { askedAt: new Date(asked_at), issuedAt: new Date(issued_at) };
  return { id, state: isOver ? ('finished' as const) : ('under_way' as const), ...dates };
}

async function answer(ctx: Koa.Context, parts: Parts): Promise<void> {
  await countTry({ ctx, parts }, RECEIPTS);
  const bytes = await readFile(ctx, { types: [RECEIPT_TYPE], megabytes: MEGABYTES });
  const text = bytes.toString('utf8');
  const statement = await checkStatement(parts, text);
  if (statement) {
    ctx.body = { valid: true, statement };
    return;
  }
  const checked = await checkReceipt(parts, text);
  ctx.body = checked.valid
    ? { valid: true, receipt: checked.receipt }
    : { valid: false, reason: checked.fault };
}

async function showKeys(ctx: Koa.Context, parts: Parts): Promise<void> {
  ctx.set('Cache-Control', 'public, max-age=300');
  ctx.type = 'application/jwk-set+json';
  ctx.body = JSON.stringify({ keys: await listReceiptKeys(parts.db) });
}
