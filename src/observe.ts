import type Koa from 'koa';
import { chainState } from './domain/audit/audit.js';
import { countCommands } from './domain/commands/commands.js';
import type { PasswordHasher } from './domain/credentials/credentials.js';
import { countWaiting } from './domain/recoveries/recoveries.js';
import type { DormancyTally } from './journeys/dormancy/job.js';
import { listSmsBudgets } from './journeys/manage/contacts/budgets.js';
import type { Authentication, Interactions } from './oidc/interaction.js';
import { protocolNames } from './oidc/surface.js';
import type { JobOptions, Jobs } from './platform/jobs/jobs.js';
import type { Outbound } from './platform/outbound.js';
import type { SmsSender } from './platform/sms/sms.js';
import type { Db } from './platform/storage/db.js';
import type { Telemetry } from './platform/telemetry/telemetry.js';
import type { Load } from './platform/web/load.js';
import type { RequestNames } from './platform/web/observing.js';

/** A request's route and client by name; what matches no route has none. */
export function namesOf(ctx: Koa.Context): RequestNames {
  const { route: asked, client = ctx.state['clientId'] as string | undefined } = protocolNames(ctx);
  /* What a route of ours says itself comes first: it may have gone on with a request of the protocol. */
  const route = (ctx.state['route'] as string | undefined) ?? asked;
  const matched = (ctx as { readonly _matchedRoute?: unknown })._matchedRoute;
  if (route !== undefined) return { route, client };
  if (typeof matched === 'string') return { route: matched, client };
  return { route: ctx.path.startsWith('/assets/') && ctx.status < 400 ? '/assets/*' : 'none', client };
}

/** Counts each sign-in by its way in. */
export function countSignIns(interactions: Interactions, { metrics }: Telemetry): Interactions {
  return {
    ...interactions,
    signIn: async (ctx, authentication, more) => {
      const location = await interactions.signIn(ctx, authentication, more);
      metrics.signIn(wayOf(authentication));
      return location;
    },
  };
}

/* A mailed code has no name in RFC 8176. */
const WAYS: Readonly<Record<string, string>> = { pwd: 'password', 'hwk user': 'passkey', '': 'code' };

function wayOf({ amr }: Authentication): string {
  const methods = [...amr].sort().join(' ');
  return WAYS[methods] ?? methods;
}

/** Times each try of a job and makes it a trace. */
export function observeJobs({ metrics, traces }: Telemetry): NonNullable<JobOptions['observe']> {
  const timed = async (name: string, run: () => Promise<void>): Promise<void> => {
    const began = performance.now();
    const told = (outcome: 'done' | 'failed') =>
      metrics.job(name, outcome, (performance.now() - began) / 1000);
    try {
      await run();
      told('done');
    } catch (error) {
      told('failed');
      throw error;
    }
  };
  if (!traces) return timed;
  return (name, run) => traces.span(`job ${name}`, { kind: 'consumer' }, () => timed(name, run));
}

/** Makes each call that leaves the process a step of its trace: by host, never by path. */
export function traceOutbound(outbound: Outbound, traces: Telemetry['traces']): Outbound {
  if (!traces) return outbound;
  return {
    ...outbound,
    fetch: (url, init) => {
      const method = init?.method ?? 'GET';
      const attributes = { 'http.request.method': method, 'server.address': URL.parse(url)?.host ?? '' };
      return traces.span(method, { kind: 'client', attributes }, async span => {
        const response = await outbound.fetch(url, init);
        span.set({ 'http.response.status_code': response.status });
        return response;
      });
    },
  };
}

/** What has a queue, or turns away. */
interface Queues {
  readonly hasher: PasswordHasher;
  readonly load: Load;
}

/** Counts what is done about accounts that nobody uses. */
export function watchDormancy({ metrics }: Telemetry, tally: Readonly<DormancyTally>): void {
  metrics.watch({
    kind: 'counter',
    name: 'keyhold_dormancy_total',
    help: 'Accounts that nobody used: notices sent, stopped because they are used again, put away.',
    labels: ['step'],
    read: () => Object.entries(tally).map(([step, count]) => [count, { step }]),
  });
}

/** Watches the chain of events: how far it is behind, and whether it was found broken. */
export function watchAudit({ metrics }: Telemetry, { laterDb: db }: { readonly laterDb: Db }): void {
  metrics.watch({
    kind: 'gauge',
    name: 'keyhold_audit_lag_seconds',
    help: 'How long the first event that is in no block of the chain has been waiting.',
    of: 'database',
    read: async () => {
      const { since } = (await chainState({ db })).waiting;
      return [[since ? Math.max(0, (Date.now() - since.getTime()) / 1000) : 0]];
    },
  });
  metrics.watch({
    kind: 'gauge',
    name: 'keyhold_audit_broken',
    help: '1 when the last look at the whole chain of events found it broken.',
    of: 'database',
    read: async () => [[(await chainState({ db })).checked?.whole === false ? 1 : 0]],
  });
}

/** Watches what apps are told: what waits for their answer, and what nobody tells them any more though it could be told. */
export function watchCommands({ metrics }: Telemetry, { laterDb }: { readonly laterDb: Db }): void {
  metrics.watch({
    kind: 'gauge',
    name: 'keyhold_commands',
    help: 'What apps were told about people: open, and stuck until an operator looks (keyhold commands list).',
    of: 'database',
    labels: ['state'],
    read: async () => {
      const { open, stuck } = await countCommands(laterDb);
      return [
        [open, { state: 'open' }],
        [stuck, { state: 'stuck' }],
      ];
    },
  });
}

/** Watches how many people wait because their phone is lost. */
export function watchLostPhones({ metrics }: Telemetry, { laterDb }: { readonly laterDb: Db }): void {
  metrics.watch({
    kind: 'gauge',
    name: 'keyhold_lost_phones',
    help: 'People whose phone is lost: waiting, and ready to set up another.',
    of: 'database',
    labels: ['step'],
    read: async () => {
      const { waiting, ready } = await countWaiting(laterDb, new Date());
      return [
        [waiting - ready, { step: 'waiting' }],
        [ready, { step: 'ready' }],
      ];
    },
  });
}

/** Watches the queues: of requests, of passwords to hash, and of jobs. */
export function watchQueues({ metrics }: Telemetry, { hasher, load }: Queues, jobs: Jobs): void {
  metrics.watch({
    kind: 'counter',
    name: 'keyhold_http_refusals_total',
    help: 'Requests turned away because too many were being served.',
    read: () => [[load.refusals()]],
  });
  metrics.watch({
    kind: 'gauge',
    name: 'keyhold_password_hash_queue',
    help: 'Passwords being hashed or waiting for it.',
    read: () => [[hasher.depth()]],
  });
  metrics.watch({
    kind: 'counter',
    name: 'keyhold_password_hash_refusals_total',
    help: 'Passwords turned away because too many waited.',
    read: () => [[hasher.refusals()]],
  });
  metrics.watch({
    kind: 'gauge',
    name: 'keyhold_jobs_waiting',
    help: 'Jobs that are due and taken by nobody yet, in the whole installation.',
    of: 'database',
    read: async () => [[await jobs.waiting()]],
  });
}

/** Watches text messages: what became of them, and how much of each budget is used. */
export function watchSms(
  { metrics }: Telemetry,
  { sms, laterDb }: { readonly sms: SmsSender | undefined; readonly laterDb: Db },
  perDay: number,
): void {
  metrics.watch({
    kind: 'counter',
    name: 'keyhold_sms_total',
    help: 'Tries to hand a text message over, by outcome.',
    labels: ['outcome'],
    read: () => Object.entries(sms?.counts() ?? {}).map(([outcome, count]) => [count, { outcome }]),
  });
  metrics.watch({
    kind: 'gauge',
    name: 'keyhold_sms_budget_used_ratio',
    help: 'How much of a budget of text messages is used, for each country and prefix that any went to, and in all.',
    of: 'database',
    labels: ['per', 'of'],
    read: async () =>
      (await listSmsBudgets(laterDb, perDay))
        .slice(0, 100)
        .map(({ per, of, used, max }) => [used / max, { per, of }]),
  });
}
