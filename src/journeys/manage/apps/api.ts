import { z } from 'zod';
import { CONSENT_EVENTS, type LiveConsent } from '../../../domain/consents/consents.js';
import { Refusal } from '../../../platform/errors.js';
import { type ApiCall, type ApiOperation, operation } from '../api.js';
import { throughApp } from '../contacts/mine.js';
import { choicesOf, latestEnd, saveChange, takeBack } from './change.js';
import { findOneApp, listConnected } from './listing.js';

const PATH = '/api/me/apps';
const ONE = `${PATH}/:client` as const;
const time = z.iso.datetime();

const appSchema = z.strictObject({
  client_id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  claims: z.array(z.string()),
  refused_claims: z.array(z.string()),
  /** The purposes that it may use data for (RFC 9396 `data_use`), and those that it may not. */
  uses: z.array(z.string()),
  refused_uses: z.array(z.string()),
  /** Scopes by resource indicator (RFC 8707). */
  resources: z.record(z.string(), z.string()),
  answered_at: time,
  until: time.nullable(),
  last_used: time.nullable(),
});

const listedSchema = appSchema.extend({
  last_told: time.nullable(),
  /** Nothing was heard of it for half a year: the person is asked whether to take it back. */
  unused: z.boolean(),
});

const answerSchema = z.strictObject({ id: z.uuid(), event: z.enum(CONSENT_EVENTS), time });

const iso = (at: Date | undefined) => at?.toISOString() ?? null;

const written = (app: LiveConsent, used: Date | undefined) => ({
  client_id: app.clientId,
  name: app.name,
  scopes: [...app.scopes],
  claims: [...app.claims],
  refused_claims: [...app.refusedClaims],
  uses: [...app.uses],
  refused_uses: [...app.refusedUses],
  resources: { ...app.resources },
  answered_at: app.givenAt.toISOString(),
  until: iso(app.validUntil),
  last_used: iso(used),
});

const missing = () => new Refusal('missing', 'not_found', 'The person allows no such app anything.');

async function appOf({ parts, me, params }: ApiCall) {
  const found = await findOneApp(parts, me.accountId, { clientId: params['client'] ?? '' });
  if (!found?.app) throw missing();
  return { ...found, app: found.app };
}

/**
 * What apps may have, for the apps that a person lets see it. An app can take back for them, and never allow: what more an
 * app may have, nobody but the person says, on our own pages.
 */
export const APPS_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: PATH,
    scope: 'account:consents:read',
    summary:
      'The apps that the person lets in, with what each may have; and those of the organisation itself.',
    query: z.strictObject({
      /** The `next` of the page before. */
      after: z.string().min(1).max(255).exactOptional(),
      limit: z.coerce.number().int().min(1).max(100).exactOptional(),
    }),
    answer: z.strictObject({
      apps: z.array(listedSchema),
      next: z.string().optional(),
      house: z.array(z.strictObject({ client_id: z.string(), name: z.string(), last_used: time })),
    }),
    run: async ({ parts, me, query }) => {
      const { apps, house, next } = await listConnected(parts, me.accountId, query);
      return {
        ...(next !== undefined && { next }),
        apps: apps.map(app => ({ ...written(app, app.used), last_told: iso(app.got), unused: app.unused })),
        house: house.map(({ clientId, name, usedAt }) => ({
          client_id: clientId,
          name,
          last_used: usedAt.toISOString(),
        })),
      };
    },
  }),
  operation({
    method: 'GET',
    path: ONE,
    scope: 'account:consents:read',
    summary:
      'What one app may have, and the latest answers about it, each with the event that a receipt is for.',
    answer: appSchema.extend({ answers: z.array(answerSchema) }),
    run: async call => {
      const { app, used, events } = await appOf(call);
      const answers = events.map(({ id, event, at }) => ({ id, event, time: at.toISOString() }));
      return { ...written(app, used), answers };
    },
  }),
  operation({
    method: 'PATCH',
    path: ONE,
    scope: 'account:consents:write',
    summary: 'Takes single claims back, or sets an end that is earlier than the one that there is.',
    input: z
      .strictObject({
        /** Claims that it may have no more. */
        refuse: z.array(z.string().min(1).max(255)).max(200).exactOptional(),
        /** Purposes that it may use data for no more. */
        refuse_uses: z.array(z.string().min(1).max(40)).max(200).exactOptional(),
        until: time.exactOptional(),
      })
      .refine(said => Object.values(said).some(each => each !== undefined), 'says nothing'),
    answer: appSchema,
    run: narrow,
  }),
  operation({
    method: 'DELETE',
    path: ONE,
    scope: 'account:consents:write',
    summary:
      'Takes back all that an app may have: its tokens end, and it is told. A JWT access token dies by its five minutes.',
    run: async call => {
      const { app } = await appOf(call);
      if (!(await takeBack(await throughApp(call), app, 'api'))) throw missing();
    },
  }),
];

type Narrowing = {
  readonly refuse?: readonly string[];
  readonly refuse_uses?: readonly string[];
  readonly until?: string;
};

async function narrow(call: ApiCall<unknown, Narrowing>) {
  const { ctx, parts, input } = call;
  const { app, used } = await appOf(call);
  const language = parts.pages.language(ctx);
  const choices = choicesOf(parts, app, language);
  const unknown = (input.refuse ?? []).filter(claim => !choices.some(choice => choice.claim === claim));
  if (unknown.length > 0) {
    const fields = unknown.map(claim => ({
      field: 'body.refuse',
      message: `It was not asked for ${claim}.`,
    }));
    throw new Refusal('invalid', 'claim_unknown', 'The app asked for no such claim.', { fields });
  }
  const until = input.until === undefined ? undefined : endOf(call, app, input.until);
  const refuse = choices.filter(({ claim, allowed }) => allowed && input.refuse?.includes(claim));
  const refuseUses = usesRefused(app, input.refuse_uses ?? []);
  if (refuse.length + refuseUses.length === 0 && until === undefined) return written(app, used);
  const claims = refuse.map(({ claim }) => claim);
  const change = { app, allow: [], refuse: claims, refuseUses, until, language, method: 'api' } as const;
  if (!(await saveChange(await throughApp(call), change))) throw changedMeanwhile();
  const after = await appOf(call);
  return written(after.app, after.used);
}

function usesRefused({ uses, refusedUses }: LiveConsent, named: readonly string[]): readonly string[] {
  const unknown = named.filter(use => !uses.includes(use) && !refusedUses.includes(use));
  if (unknown.length > 0) {
    const fields = unknown.map(use => ({
      field: 'body.refuse_uses',
      message: `It was not asked for ${use}.`,
    }));
    throw new Refusal('invalid', 'use_unknown', 'The app asked for no such use.', { fields });
  }
  return named.filter(use => uses.includes(use));
}

const changedMeanwhile = () =>
  new Refusal('conflict', 'consent_changed', 'It was changed meanwhile: read it, and decide again.');

function endOf({ parts }: ApiCall, app: LiveConsent, sent: string): Date {
  const until = new Date(sent);
  const latest = app.validUntil ?? latestEnd(parts, app);
  if (until.getTime() <= Date.now() || (latest && until > latest)) {
    const message = 'An end lies ahead, and not after the one that there is.';
    throw new Refusal('invalid', 'end_refused', message, { fields: [{ field: 'body.until', message }] });
  }
  return until;
}
