import type Router from '@koa/router';
import type Koa from 'koa';
import { z } from 'zod';
import { normaliseEmail } from '../../domain/accounts/accounts.js';
import {
  beginTrial,
  byPassword,
  endTrial,
  findProvider,
  providerOnTrial,
  type SentTo,
  type TrialOutcome,
  tellTrial,
  tellTrouble,
} from '../../domain/federation/federation.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { allowFormTarget } from '../../platform/web/headers.js';
import { readForm } from '../../platform/web/input.js';
import { noteReplay, type Parts, seeOther, show } from '../journey.js';
import { leftOutOf } from './taking.js';
import type { TrialOutcomePage } from './trial-models.js';
import { vouchedFor } from './vouching.js';

/** A sign-in that an operator tries out (`keyhold federation test`): it shows what came, and ties nobody to anything. */
export function trialRoutes(router: Router, parts: Parts): void {
  router.get('/federation-test/:ticket', ctx => look(ctx, parts));
  router.post('/federation-test/:ticket', ctx => begin(ctx, parts));
  router.get('/federation-test/:trial/:trip', ctx => comeBack(ctx, parts));
}

const paramOf = (ctx: Koa.Context, name: 'ticket' | 'trial' | 'trip'): string =>
  String((ctx['params'] as Readonly<Record<string, string>>)[name]);

/* The browser holds a form of ours to the addresses that its page named. */
async function look(ctx: Koa.Context, parts: Parts): Promise<void> {
  const id = await providerOnTrial(parts.db, paramOf(ctx, 'ticket'));
  const provider = id === undefined ? undefined : await findProvider(parts.db, id);
  if (!provider) throw over();
  for (const origin of await parts.federation.originsOf(provider)) allowFormTarget(ctx, origin);
  show(ctx, parts, 'federated/trial', {
    provider: provider.name,
    disabled: provider.state === 'disabled',
    byPassword: byPassword(provider.kind) !== undefined,
  });
}

async function begin(ctx: Koa.Context, parts: Parts): Promise<void> {
  const form = await readForm(ctx, parts.csrf);
  const trial = await openWork(parts.db, { kind: 'operator' }, work =>
    beginTrial(work, paramOf(ctx, 'ticket')),
  );
  if (!trial) {
    await noteReplay(ctx, parts, 'federation_trial');
    throw over();
  }
  const provider = await findProvider(parts.db, trial.providerId);
  if (provider && byPassword(provider.kind)) return prove(ctx, parts, trial, form);
  try {
    const sent = await parts.federation.depart({
      providerId: trial.providerId,
      purpose: 'test',
      binding: trial.id,
      browser: parts.csrf.openBrowser(ctx),
      returnTo: `/federation-test/${trial.id}`,
    });
    if (sent.known && !sent.form) seeOther(ctx, sent.to.href);
    else lead(ctx, parts, provider?.name ?? trial.providerId, sent);
  } catch (error) {
    await end(ctx, parts, trial.id, tellTrouble(error));
  }
}

/* Whoever was not told of the address with the form is led there, and what is posted there is posted from a page of its own. */
function lead(ctx: Koa.Context, parts: Parts, provider: string, { to, form }: SentTo): void {
  if (form) allowFormTarget(ctx, to.href);
  const fields = form && Object.entries(form).map(([name, value]) => ({ name, value }));
  show(ctx, parts, 'federated/trial-leaving', { provider, to: to.href, ...(fields && { fields }) });
}

const typedSchema = z.object({ address: z.string().max(254), password: z.string().max(1_024) });

async function prove(
  ctx: Koa.Context,
  parts: Parts,
  { id, providerId }: { readonly id: string; readonly providerId: string },
  form: Readonly<Record<string, unknown>>,
): Promise<void> {
  const typed = typedSchema.safeParse(form).data ?? { address: '', password: '' };
  const address = normaliseEmail(typed.address) ?? '';
  const proved = parts.federation
    .prove(providerId, { ...typed, address }, 'test')
    .then(arrived => vouchedFor(parts, arrived));
  await end(
    ctx,
    parts,
    id,
    await proved.then(arrived => tellTrial(arrived, leftOutOf(parts, arrived)), tellTrouble),
  );
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

async function comeBack(ctx: Koa.Context, parts: Parts): Promise<void> {
  const [trial, trip] = [paramOf(ctx, 'trial'), paramOf(ctx, 'trip')];
  if (!UUID.test(trial) || !UUID.test(trip)) throw over();
  const browser = parts.csrf.browser(ctx) ?? '';
  const outcome = await parts.federation
    .arrive({ id: trip, purpose: 'test', binding: trial, browser })
    .then(arrived => arrived && tellTrial(arrived, leftOutOf(parts, arrived)), tellTrouble);
  if (!outcome) {
    await noteReplay(ctx, parts, 'federation_trial');
    throw over();
  }
  await end(ctx, parts, trial, outcome);
}

async function end(ctx: Koa.Context, parts: Parts, trial: string, outcome: TrialOutcome): Promise<void> {
  await openWork(parts.db, { kind: 'operator' }, work => endTrial(work, parts.keyring, trial, outcome));
  show(ctx, parts, 'federated/trial-outcome', pageOf(outcome));
  ctx.status = outcome.came ? 200 : 422;
}

function pageOf(outcome: TrialOutcome): TrialOutcomePage {
  if (!outcome.came) {
    const { trouble, reason, detail } = outcome;
    return { trouble, reason, ...(detail !== undefined && { detail }) };
  }
  const { subject, email, strength, attributes, claims } = outcome;
  return {
    subject,
    ...(email && { email }),
    strength,
    attributes: attributes.map(({ value, ...rest }) => ({
      ...rest,
      ...(value !== undefined && { value: inShort(value) }),
    })),
    claims: JSON.stringify(claims, null, 2),
  };
}

const inShort = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function over(): Refusal {
  return new Refusal(
    'missing',
    'trial_over',
    'This address is good once, for ten minutes. Ask for another one.',
  );
}
