import type Router from '@koa/router';
import type Koa from 'koa';
import { PROTECTION_FACTS } from '../../domain/protection/protection.js';
import { type OperatorScope, operatorApiOf } from '../../domain/resources/resources.js';
import { programOf } from '../../oidc/bearer.js';
import { BearerRefusal, challenge } from '../../oidc/bearer-refusal.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import type { Parts } from '../journey.js';
import { publish } from '../manage/openapi.js';
import { METADATA_PATH, metadataOf, OPENAPI_PATH, openApiOf } from './description.js';
import { minimisationReport } from './minimisation.js';
import { MINIMISATION_PATH, minimisationSchema, querySchema } from './schema.js';

const SCOPE: OperatorScope = 'operator:report:read';
/* Longer than that nobody waits for an answer; the command takes the time it needs. */
const PATIENCE = '30s';
const HOUR = 3_600;
const READ = { name: 'report', per: 'app', max: 30, window: HOUR, readable: true } as const;

/** `/api/v1`, for programs of whoever runs this installation: what `keyhold report` says. */
export function operatorRoutes(router: Router, parts: Parts): void {
  router.get(
    OPENAPI_PATH,
    publish(() => openApiOf(parts.issuer)),
  );
  router.get(
    METADATA_PATH,
    publish(() => metadataOf(parts.issuer)),
  );
  const read = oneAtATime(parts);
  router.get(MINIMISATION_PATH, ctx => serve(ctx, parts, read));
  router.register('/api/v1{/*rest}', ['OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'], (ctx, next) => {
    if (ctx.path !== MINIMISATION_PATH) return next();
    ctx.set('Allow', 'GET');
    throw new Refusal('unsupported', 'method_not_allowed', 'Only GET can be done here.');
  });
}

type Read = (days: number) => Promise<unknown>;

async function serve(ctx: Koa.Context, parts: Parts, read: Read): Promise<void> {
  ctx.set('Cache-Control', 'no-store');
  try {
    const { clientId, scopes } = await programOf(ctx, parts.provider, operatorApiOf(parts.issuer));
    ctx.state['clientId'] = clientId;
    if (!scopes.has(SCOPE))
      throw new BearerRefusal('insufficient_scope', `This takes the scope ${SCOPE}.`, { scope: SCOPE });
    const { days } = asked(ctx);
    await count(parts, clientId);
    ctx.body = await read(days);
  } catch (error) {
    if (error instanceof BearerRefusal) challenge(ctx, error, new URL(METADATA_PATH, parts.issuer).href);
    throw error;
  }
}

function asked(ctx: Koa.Context) {
  const checked = querySchema.safeParse({ ...ctx.query });
  if (checked.success) return checked.data;
  const fields = checked.error.issues.map(({ path, message }) => ({
    field: ['query', ...path.map(String)].join('.'),
    message,
  }));
  throw new Refusal('invalid', 'invalid_input', 'Some of what was sent cannot be used.', { fields });
}

/* It reads all there is: of the connections that people wait for it takes one, and never a second. */
function oneAtATime({ db, profile: schema }: Parts): Read {
  let reading = false;
  return async days => {
    if (reading) throw new Refusal('busy', 'report_under_way', 'A report is being made.', { retryAfter: 10 });
    reading = true;
    try {
      const now = new Date();
      return minimisationSchema.parse(
        await minimisationReport(db, { schema, now, days, patience: PATIENCE }),
      );
    } finally {
      reading = false;
    }
  };
}

async function count({ protection, db }: Parts, clientId: string): Promise<void> {
  const verdict = await protection.count([{ ...READ, subject: clientId }]);
  if (verdict.allowed) return;
  if (verdict.reached) {
    const { name, per } = verdict.reached;
    await openWork(db, { kind: 'client', id: clientId }, async work =>
      work.record({ type: PROTECTION_FACTS[0], clientId, detail: { limit: name, per } }),
    );
  }
  throw new Refusal('limited', 'too_many_reports', 'Too many reports.', { retryAfter: verdict.retryAfter });
}
