import { setTimeout as pause } from 'node:timers/promises';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { JobDefinition } from '../../platform/jobs/job.js';
import type { Outbound, OutboundLimits } from '../../platform/outbound.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { findClient } from '../clients/clients.js';
import { type Heard, type Judged, judgeAnswer, NO_ANSWER } from './answers.js';
import { leftAloneFor, mayAnswerLater, pauseAfter, type Route, routeOf } from './command.js';
import {
  type Claimed,
  claimDue,
  type Due,
  findGeneration,
  forgetEnded,
  listOverdue,
  noteAnswer,
  noteFailure,
  putOff,
  removeEnded,
} from './due-store.js';
import { type Letter, letterOf, type SignToken, webhookSecret } from './requests.js';
import { callbackToken, openTold, settleCommand, TELL_APPS } from './settling.js';

/** What apps are told with. */
export interface TellingParts {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly outbound: Outbound;
  readonly issuer: URL;
  readonly sign: SignToken;
  readonly clock?: () => Date;
  readonly random?: () => number;
  /** Milliseconds that one app may take to answer. */
  readonly patience?: number;
  /** Commands that one process tells a second, so that people who wait for a page come first. */
  readonly perSecond?: number;
}

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
/* How many apps are told at a time by one process; of those that have not answered lately, so few that others have room. */
const AT_ONCE = 24;
const DOUBTFUL_AT_ONCE = 6;
const WIDTH = 2;
/* Longer than one try can take. */
const LEASE_MS = MINUTE;
const PATIENCE = 5_000;
const MOST_BYTES = 16_384;
/* An answer that cannot be used is as good as none, and does not become better by being given often. */
const MOST_REFUSALS = 4;
/** How long an app that took a command may take to say that it is done: the month of GDPR Art. 12(3). */
const AWAITED_MS = 30 * DAY;
/** How long the secret before the last is signed with too. */
const OVERLAP_MS = DAY;
/* A job is cut off after three quarters of a minute. */
const RUN_MS = 30_000;
const BATCH = 200;
/* Few enough that nobody who answers at this moment waits for long. */
const OVERDUE_BATCH = 50;

/* Whoever rewrites what waits, or tells it elsewhere, has done so by then. */
const IN_HAND_MS = 100;
const NOTHING = { due: [], passedOver: false } as const;

/** One command on its way. */
interface UnderWay {
  readonly due: Due;
  readonly done: Promise<void>;
}

/** How a run is told of more to do, and when it takes nothing more. */
interface Run {
  readonly poked?: () => Promise<void>;
  readonly stopAt?: number;
}

/**
 * Tells apps what is due: each as it answers, so that a dead or slow one holds nobody up. One app is told two things at a
 * time, one that has not answered lately one; after some failures in a row it is left alone for a while. At least once: a
 * process that dies in between tells it again, under the same name.
 */
export async function tellDue(
  telling: TellingParts,
  signal: AbortSignal,
  { poked = () => new Promise(() => undefined), stopAt = performance.now() + RUN_MS }: Run = {},
): Promise<void> {
  const isOver = () => signal.aborted || performance.now() > stopAt;
  await endOverdue(telling, isOver);
  const underWay = new Map<string, UnderWay>();
  const failures: unknown[] = [];
  const paced = openPace(telling);
  try {
    for (;;) {
      const most = await paced.turn();
      const before = underWay.size;
      const { due, passedOver } = isOver() ? NOTHING : await claimNext(telling, underWay, most);
      paced.note(due.length);
      for (const each of due) {
        const done = tellOne(telling, each, signal)
          .catch(error => {
            failures.push(error);
            return putAside(telling, each);
          })
          .finally(() => underWay.delete(each.id));
        underWay.set(each.id, { due: each, done });
      }
      /* Who ended while we asked has made room for what was passed over. */
      if (underWay.size === 0 && before === 0 && !passedOver) break;
      if (due.length === 0 && passedOver) await pause(IN_HAND_MS);
      if (due.length === 0 && underWay.size > 0)
        await Promise.race([poked(), ...[...underWay.values()].map(({ done }) => done)]);
    }
  } finally {
    await Promise.allSettled([...underWay.values()].map(({ done }) => done));
  }
  if (failures.length > 0) throw failures[0];
}

/* So few at a time that a page somebody waits for is not behind a heap of them. */
const TOGETHER = 2;

function openPace({ perSecond = Number.POSITIVE_INFINITY }: TellingParts) {
  const each = 1_000 / perSecond;
  let next = 0;
  return {
    /** Waits until some may be told, and says how many. */
    turn: async () => {
      const early = next - performance.now();
      if (early > 0) await pause(early);
      return each === 0 ? AT_ONCE : TOGETHER;
    },
    note: (told: number) => {
      next = Math.max(next, performance.now()) + told * each;
    },
  };
}

/* What fails on our side fails by itself, and is tried again like anything else. */
async function putAside(telling: TellingParts, due: Due): Promise<void> {
  const { random = Math.random } = telling;
  const dueAt = new Date(now(telling).getTime() + pauseAfter(due.attempts, random()));
  await openWork(telling.db, { kind: 'system' }, work =>
    putOff(work.tx, due, { dueAt, answer: 'not_sent', refused: false }),
  ).catch(() => undefined);
}

async function claimNext(
  telling: TellingParts,
  underWay: ReadonlyMap<string, UnderWay>,
  together: number,
): Promise<Claimed> {
  const at = now(telling);
  const counts: Record<string, number> = {};
  let doubtful = 0;
  for (const { due } of underWay.values()) {
    counts[due.clientId] = (counts[due.clientId] ?? 0) + 1;
    if (due.doubtful) doubtful++;
  }
  const claim = {
    at,
    lease: new Date(at.getTime() + LEASE_MS),
    callbackUntil: new Date(at.getTime() + AWAITED_MS),
    underWay: counts,
  };
  const room = Math.min(AT_ONCE - underWay.size, together);
  const spare = doubtful < DOUBTFUL_AT_ONCE ? 1 : 0;
  const answering = await claimDue(telling.db, {
    ...claim,
    doubtful: false,
    width: WIDTH,
    most: room > 1 ? room - spare : room,
  });
  const most = Math.min(room - answering.due.length, DOUBTFUL_AT_ONCE - doubtful);
  const others = await claimDue(telling.db, { ...claim, doubtful: true, width: 1, most });
  return {
    due: [...answering.due, ...others.due],
    passedOver: answering.passedOver || others.passedOver,
  };
}

const now = ({ clock = () => new Date() }: TellingParts) => clock();

async function tellOne(telling: TellingParts, due: Due, signal: AbortSignal): Promise<void> {
  const { db, keyring, outbound } = telling;
  const client = await findClient(db, due.clientId);
  const told = openTold(keyring, due.sealed);
  const route: Route = client ? routeOf(client.metadata, due.command, told.before) : { channel: 'none' };
  if (!client || route.channel === 'none') return noWay(telling, due, client ? 'no_channel' : 'no_app');
  const letter = await letterOf(
    {
      issuer: telling.issuer,
      client,
      command: due,
      told,
      route,
      callbackToken: callbackToken(keyring, due),
      webhookSecrets: route.channel === 'webhook' ? await secretsOf(telling, due.clientId) : [],
      at: now(telling),
    },
    telling.sign,
  );
  const timeout = telling.patience ?? PATIENCE;
  const heard = await ask(outbound, route.url, { ...letter, timeout, maxBytes: MOST_BYTES, signal });
  /* This process is told to stop: that says nothing about the app, and another tells it. */
  if (heard === undefined && signal.aborted) return;
  const asked = {
    ...due,
    subject: told.subject,
    channel: route.channel,
    mayAnswerLater: mayAnswerLater(route),
  };
  await note(telling, due, route.channel, heard === undefined ? NO_ANSWER : judgeAnswer(asked, heard));
}

async function secretsOf(telling: TellingParts, clientId: string): Promise<readonly Buffer[]> {
  const { db, keyring } = telling;
  const { generation, since } = await findGeneration(db, clientId);
  const isNew = since !== undefined && now(telling).getTime() < since.getTime() + OVERLAP_MS;
  const generations = isNew ? [generation, generation - 1] : [generation];
  return generations.map(each => webhookSecret(keyring, clientId, each));
}

async function ask(
  outbound: Outbound,
  url: string,
  init: Letter & OutboundLimits & { readonly signal: AbortSignal },
): Promise<Heard | undefined> {
  try {
    const response = await outbound.fetch(url, { method: 'POST', ...init });
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      body: await response.text().catch(() => undefined),
    };
  } catch {
    return undefined;
  }
}

async function noWay({ db }: TellingParts, due: Due, answer: 'no_channel' | 'no_app'): Promise<void> {
  await openWork(db, { kind: 'system' }, async work => {
    const outcome = { state: 'unreachable', channel: 'none', answer, forgets: true } as const;
    await settleCommand(work, due.id, ['waiting'], outcome);
  });
}

async function note(telling: TellingParts, due: Due, channel: Route['channel'], judged: Judged) {
  const at = now(telling);
  await openWork(telling.db, { kind: 'system' }, async work => {
    const isDown = judged.state === 'again' && judged.down;
    const leftAlone = (failures: number) => {
      const ms = leftAloneFor(failures);
      return ms === undefined ? undefined : new Date(at.getTime() + ms);
    };
    if (isDown) await noteFailure(work.tx, due.clientId, leftAlone);
    else if (due.doubtful) await noteAnswer(work.tx, due.clientId);
    if (judged.state !== 'again') {
      await settleCommand(work, due.id, ['waiting'], { channel, ...judged });
      return;
    }
    await tryAgain(work, telling, due, { ...judged, channel });
  });
}

async function tryAgain(
  work: Work,
  telling: TellingParts,
  due: Due,
  { channel, answer, down, accountState }: Extract<Judged, { state: 'again' }> & Pick<Route, 'channel'>,
): Promise<void> {
  const { random = Math.random } = telling;
  const dueAt = new Date(now(telling).getTime() + pauseAfter(due.attempts, random()));
  if (!down && due.refusals + 1 >= MOST_REFUSALS) {
    await settleCommand(work, due.id, ['waiting'], { state: 'refused', channel, answer, accountState });
  } else if (dueAt >= due.until) {
    await settleCommand(work, due.id, ['waiting'], { state: 'unreachable', channel, answer });
  } else {
    await putOff(work.tx, due, { dueAt, answer, refused: !down });
  }
}

/** Gives up what could not be told in its time, and what an app took and never said to be done. */
async function endOverdue(telling: TellingParts, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const overdue = await listOverdue(telling.db, now(telling), OVERDUE_BATCH);
    if (overdue.length === 0) return;
    await openWork(telling.db, { kind: 'system' }, async work => {
      for (const { id, state } of overdue) {
        const answer = state === 'accepted' ? 'no_callback' : 'no_answer';
        await settleCommand(work, id, [state], { state: 'unreachable', answer });
      }
    });
  }
}

/** Tells apps as soon as there is something, and looks each minute; one run at a time in each process, and it hears of more. */
export function tellApps(telling: TellingParts): JobDefinition {
  let running = false;
  let again = false;
  let poke = Promise.withResolvers<void>();
  const poked = () => poke.promise;
  return {
    name: TELL_APPS,
    every: '* * * * *',
    run: async (_payload, { signal }) => {
      if (running) {
        again = true;
        poke.resolve();
        poke = Promise.withResolvers();
        return;
      }
      running = true;
      const stopAt = performance.now() + RUN_MS;
      try {
        do {
          again = false;
          await tellDue(telling, signal, { poked, stopAt });
        } while (again && !signal.aborted && performance.now() < stopAt);
        if (performance.now() >= stopAt) await goOn(telling.db);
      } finally {
        running = false;
      }
    },
  };
}

/* What is left when the time of a job is over is for the next. */
const goOn = (db: Db) =>
  openWork(db, { kind: 'system' }, async work => work.enqueue({ name: TELL_APPS, payload: {} }));

const TELLABLE_MS = 30 * DAY;
const KEPT_MS = 1_460 * DAY;

/** Forgets, a month after a command ended, by what the app knows the person; and the command itself after four years. */
export function sweepCommands(db: Db): JobDefinition {
  const before = (work: Work, ms: number) => new Date(work.at.getTime() - ms);
  const forget = () =>
    openWork(db, { kind: 'system' }, work => forgetEnded(work.tx, before(work, TELLABLE_MS), BATCH));
  const remove = () =>
    openWork(db, { kind: 'system' }, work => removeEnded(work.tx, before(work, KEPT_MS), BATCH));
  return {
    name: 'sweep-commands',
    every: '23 * * * *',
    run: async (_payload, { signal }) => {
      while (!signal.aborted && (await forget()) === BATCH);
      while (!signal.aborted && (await remove()) === BATCH);
    },
  };
}
