import { setTimeout as pause } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { listConsentEvents } from '../../src/domain/consents/consents.js';
import { until } from '../support/jobs.js';
import { signUp } from '../support/journeys.js';
import { accountOf } from '../support/ledger.js';
import { newPerson, type Person } from '../support/person.js';
import { openReceiver, stating } from '../support/receiver.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';
import { openRandom } from './random.js';
import type { Rig } from './rig.js';

/** What came of taking back from an app what it was allowed. */
export interface WithdrawalsResult {
  readonly people: number;
  readonly kills: number;
  /** Answers that did not arrive; and of these, how many were done all the same. */
  readonly unheard: number;
  readonly doneUnheard: number;
  readonly problems: readonly string[];
}

interface Member {
  readonly person: Person;
  readonly accountId: string;
  readonly tokens: Tokens;
  /** By what the app knows them. */
  readonly sub: string;
  heard: 'nothing' | 'done';
}

/**
 * People take back what an app may have, on the page of their account, while processes are killed with SIGKILL; each withdrawal is
 * there as a whole or not at all, and whoever heard nothing does it again. Then the app has been told of each.
 */
export async function runWithdrawals(
  rig: Rig,
  { people, kills, seed }: { readonly people: number; readonly kills: number; readonly seed: number },
): Promise<WithdrawalsResult> {
  const random = openRandom(seed);
  const receiver = await openReceiver({ '/commands': stating('unknown') });
  const told = { command_endpoint: receiver.url('/commands'), commands_supported: ['invalidate'] };
  const app = await openRelyingParty(rig, { client_name: 'Shop', ...told }, { dispatcher: rig.front });
  try {
    const members = await join(rig, app, people);
    const problems: string[] = [];
    const queue = [...members];
    const killOne = async () => {
      await pause(random.between(5, 120));
      const victim = random.pick(rig.servers);
      await victim.end('SIGKILL');
      await victim.start();
    };
    for (let kill = 0; kill < kills; kill++) {
      const some = queue.splice(0, Math.ceil(people / kills));
      await Promise.all([killOne(), ...[1, 2, 3, 4].map(() => takeBackAll(rig, app, some))]);
    }
    const unheard = members.filter(({ heard }) => heard === 'nothing');
    let doneUnheard = 0;
    for (const member of members) {
      const found = await lookAt(rig, app, member);
      if (found.length > 1) problems.push(`${member.sub}: ${found.join('; ')}`);
      if (member.heard === 'done' && found[0] !== GONE)
        problems.push(`${member.sub} is told done, but ${found}`);
      if (member.heard === 'nothing' && found[0] === GONE) doneUnheard += 1;
    }
    await takeBackAll(rig, app, [...unheard]);
    for (const member of members) {
      const found = await lookAt(rig, app, member);
      if (found.join() !== GONE) problems.push(`${member.sub} has taken it back, but ${found.join('; ')}`);
    }
    await finishJobs(rig);
    problems.push(
      ...(await compareTold(
        rig,
        app,
        members,
        receiver.received.map(({ said }) => said.jti),
      )),
    );
    return { people, kills, unheard: unheard.length, doneUnheard, problems };
  } finally {
    await app.close();
    await receiver.close();
  }
}

async function join(rig: Rig, app: RelyingParty, people: number): Promise<readonly Member[]> {
  const members: Member[] = [];
  const queue = Array.from({ length: people }, (_, nr) => `taking-back-${nr}@example.test`);
  const joining = async () => {
    for (let email = queue.pop(); email !== undefined; email = queue.pop()) {
      const person = newPerson({ origin: rig.issuer, dispatcher: rig.front, mailbox: rig.mailbox });
      await signUp(person, app, email);
      await person.press('Allow');
      const tokens = await app.exchange(person.page.url);
      const accountId = await accountOf(rig.place.db, email);
      members.push({ person, accountId, tokens, sub: tokens.claims()?.sub ?? '', heard: 'nothing' });
    }
  };
  await Promise.all([1, 2, 3, 4].map(joining));
  return members;
}

async function takeBackAll({ issuer }: Rig, { clientId }: RelyingParty, queue: Member[]): Promise<void> {
  for (let member = queue.pop(); member; member = queue.pop()) {
    const { person } = member;
    try {
      await person.goto(`${issuer}/account/apps/${encodeURIComponent(clientId)}/remove`);
      if (!person.page.buttons.includes('Take back everything')) continue;
      await person.press('Take back everything');
      if (person.page.status === 200) member.heard = 'done';
    } catch {
      /* No answer: it has happened, or not. */
    }
  }
}

const GONE = 'all is gone';
const THERE = 'all is there';

/* What each place says by itself; one sentence if they agree. */
async function lookAt(
  rig: Rig,
  app: RelyingParty,
  { person, tokens, accountId }: Member,
): Promise<readonly string[]> {
  const { clientId } = app;
  const { db } = rig.place;
  const said = new Map<string, boolean>();
  said.set('access token', (await app.introspect(tokens.access_token)).active);
  if (tokens.refresh_token) said.set('refresh token', (await app.introspect(tokens.refresh_token)).active);
  const page = await person.goto(`${rig.issuer}/account/apps/${encodeURIComponent(clientId)}/remove`);
  said.set('page', page.buttons.includes('Take back everything'));
  const events = (await listConsentEvents(db, accountId, { clientId })).map(({ event }) => event);
  said.set('ledger', events.at(-1) !== 'withdrawn');
  if (events.filter(each => each === 'withdrawn').length > 1) said.set('ledger, twice', true);
  said.set('grants', (await db('grants').where({ client_id: clientId, account_id: accountId })).length > 0);
  const is = new Set(said.values());
  if (is.size === 1) return [is.has(true) ? THERE : GONE];
  return [...said].map(([place, there]) => `${place}: ${there ? 'there' : 'gone'}`);
}

/* What a killed process held is freed after ninety seconds, what it was telling after one minute: made past by SQL. */
async function finishJobs({ place }: Rig): Promise<void> {
  await place.ask(
    `UPDATE graphile_worker._private_jobs SET locked_at = now() - interval '2 minutes' WHERE locked_at IS NOT NULL`,
  );
  await place.ask(`UPDATE commands SET due_at = now() WHERE state = 'waiting'`);
  await place.ask(`SELECT graphile_worker.add_job('free-stale-jobs'), graphile_worker.add_job('tell-apps')`);
  await until(async () => {
    const waiting = await place.ask(`SELECT 1 FROM graphile_worker.jobs
      WHERE task_identifier IN ('backchannel-logout', 'tell-of-end', 'tell-apps') AND attempts < max_attempts`);
    const untold = await place.ask(`SELECT 1 FROM commands WHERE ended_at IS NULL`);
    return waiting.length + untold.length === 0;
  });
}

/* One command for each withdrawal, heard under its own name and no other; and each sign-in to the app was told to be over. */
async function compareTold(
  { place: { db } }: Rig,
  { clientId, logoutTokens }: RelyingParty,
  members: readonly Member[],
  heard: readonly (string | undefined)[],
): Promise<readonly string[]> {
  const problems: string[] = [];
  const sent = await db('commands').where({ client_id: clientId, command: 'invalidate' });
  const over = new Set(logoutTokens.map(token => decodeJwt(token).sub));
  for (const { sub, accountId } of members) {
    const own = sent.filter(({ account_id }) => account_id === accountId);
    if (own.length !== 1) problems.push(`${own.length} commands tell of ${sub}`);
    if (own.some(({ id }) => !heard.includes(id))) problems.push(`the app never heard of ${sub}`);
    if (!over.has(sub)) problems.push(`no logout token names ${sub}`);
  }
  const names = new Set(sent.map(({ id }) => id));
  const strange = heard.filter(jti => !names.has(jti));
  if (strange.length > 0) problems.push(`the app heard of ${strange.length} things that are not on record`);
  return problems;
}
