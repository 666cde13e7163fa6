import { setTimeout as pause } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { codeIn } from '../support/mailbox.js';
import { newPerson, type Person } from '../support/person.js';
import { bringCode } from '../support/protocol.js';
import { openRawClient, type RawAnswer, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD } from '../support/walk.js';
import { openRandom, type Random } from './random.js';
import { NoMail, type Rig } from './rig.js';
import { type Family, openTold, type Told } from './told.js';

/** Mixed load by members who each do one thing after the other. */
export interface Load {
  readonly app: RelyingParty;
  readonly told: Told;
  /** How often each act was done to its end. */
  readonly done: ReadonlyMap<string, number>;
  /** What members met that nobody should. */
  readonly surprises: readonly string[];
  /** Lets every member end what it is at. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** No answer came, or one that says to come back later: what was asked may have happened or not. */
class Unsure extends Error {}

interface Member {
  readonly email: string;
  person: Person;
  family: Family | undefined;
}

interface Scene {
  readonly rig: Rig;
  readonly app: RelyingParty;
  readonly client: RawClient;
  readonly through: Dispatcher;
  readonly told: Told;
  readonly stopped: () => boolean;
  /** Is told of every ID token. */
  readonly seen: (idToken: string) => Promise<void>;
}

/** How the load is made. */
export interface LoadOptions {
  readonly seed: number;
  readonly members: number;
  readonly through?: Dispatcher;
  readonly seen?: (idToken: string) => Promise<void>;
}

/** Starts it. */
export async function startLoad(rig: Rig, options: LoadOptions): Promise<Load> {
  const { through = rig.front, seen = async () => undefined } = options;
  const app = await openRelyingParty(rig, { id_token_signed_response_alg: 'ES256' }, { dispatcher: through });
  const client = await openRawClient(rig, app.client, through);
  const told = openTold();
  const done = new Map<string, number>();
  const surprises: string[] = [];
  let going = true;
  const scene: Scene = { rig, app, client, through, told, seen, stopped: () => !going };
  const members = Array.from({ length: options.members }, (_, at) => {
    const random = openRandom(options.seed * 1_000 + at);
    return live(scene, random, done, problem => void surprises.push(problem));
  });
  return {
    app,
    told,
    done,
    surprises,
    stop: async () => {
      going = false;
      await Promise.all(members);
    },
    close: () => app.close(),
  };
}

async function live(
  scene: Scene,
  random: Random,
  done: Map<string, number>,
  surprise: (problem: string) => void,
): Promise<void> {
  let member: Member | undefined;
  while (!scene.stopped()) {
    const name = member
      ? random.pick(['code', 'refresh', 'code', 'refresh', 'again', 'revoke', 'join'])
      : 'join';
    try {
      if (name === 'join' || !member) member = await join(scene);
      else await ACTS[name]?.(scene, member);
      done.set(name, (done.get(name) ?? 0) + 1);
    } catch (error) {
      if (!isUnsure(error)) surprise(`${name}: ${String(error)}`);
      member = undefined;
      await pause(random.between(5, 60));
    }
  }
}

const ACTS: Readonly<Record<string, (scene: Scene, member: Member) => Promise<void>>> = {
  code: bring,
  refresh,
  again: comeAgain,
  revoke,
};

function browserOf({ rig, app, through }: Scene): Person {
  const { issuer: origin, mailbox } = rig;
  return newPerson({ origin, dispatcher: through, mailbox, away: [app.redirectUri] });
}

let joined = 0;

async function join(scene: Scene): Promise<Member> {
  const { app, told } = scene;
  const email = `member-${process.pid}-${++joined}@example.test`;
  const person = browserOf(scene);
  await sure(person, person.goto(await app.authorizationUrl({ prompt: 'create' })));
  person.fill('Email', email);
  await sure(person, person.press('Continue'));
  told.mailed.add(email);
  person.fill('Code', codeIn(await person.latestMail(email)));
  told.mailed.delete(email);
  await sure(person, person.press('Continue'));
  person.tick('I accept the terms');
  person.fill('Password', GOOD_PASSWORD);
  told.unsure.add(email);
  await sure(person, person.press('Create account'));
  told.members.add(email);
  await allow(scene, person, email);
  return { email, person, family: undefined };
}

async function allow({ told }: Scene, person: Person, email: string): Promise<void> {
  await sure(person, person.press('Allow'));
  if (!person.page.url.searchParams.has('code'))
    throw new Error(`no code after consent: ${person.page.text}`);
  told.consents.add(email);
}

async function comeAgain(scene: Scene, member: Member): Promise<void> {
  const person = browserOf(scene);
  await sure(person, person.goto(await scene.app.authorizationUrl()));
  person.fill('Email', member.email);
  await sure(person, person.press('Continue'));
  person.fill('Password', GOOD_PASSWORD);
  await sure(person, person.press('Sign in'));
  if (!person.page.url.searchParams.has('code'))
    throw new Error(`no code after signing in: ${person.page.text}`);
  member.person = person;
  member.family = undefined;
}

async function bring(scene: Scene, member: Member): Promise<void> {
  const { app, client } = scene;
  const { code, verifier, redirectUri } = await bringCode(member.person, app, { prompt: 'none' }).catch(
    error => {
      throw [0, 503].includes(member.person.page.status) && !member.person.page.url.searchParams.has('error')
        ? new Unsure()
        : error;
    },
  );
  const family = familyOf(scene, member);
  family.state = 'unsure';
  take(family, await once(scene, code, () => client.code(code, verifier, redirectUri)));
}

async function refresh(scene: Scene, member: Member): Promise<void> {
  const { family } = member;
  if (family?.state !== 'alive') return bring(scene, member);
  const [token = ''] = family.refresh;
  family.state = 'unsure';
  take(family, await once(scene, token, () => scene.client.refresh(token)), token);
}

/* The grant of a session is the same until it is revoked. */
function familyOf({ told }: Scene, member: Member): Family {
  if (member.family?.state !== 'alive') {
    member.family = { access: [], refresh: new Set(), state: 'unsure' };
    told.families.push(member.family);
  }
  return member.family;
}

function take(family: Family, answer: RawAnswer | undefined, used?: string): void {
  if (!answer) return;
  const { access_token, refresh_token } = answer.body as Readonly<Record<string, string>>;
  family.access.push(access_token ?? '');
  if (used) family.refresh.delete(used);
  family.refresh.add(refresh_token ?? '');
  family.state = 'alive';
}

async function revoke(scene: Scene, { family }: Member): Promise<void> {
  if (family?.state !== 'alive') return;
  family.state = 'unsure';
  const { status, text } = await scene.client.revoke([...family.refresh][0] ?? '');
  if (status === 503) throw new Unsure();
  if (status !== 200) throw new Error(`revocation answers ${status} ${text}`);
  family.state = 'revoked';
}

/*
 * Asks until there is an answer. Whoever asks again after silence may hear that it was used: then the first try had come
 * through, and the family is dead.
 */
async function once(
  scene: Scene,
  what: string,
  ask: () => Promise<RawAnswer>,
): Promise<RawAnswer | undefined> {
  for (let silent = false; ; silent = true) {
    const answer = await ask().catch(error => {
      if (isUnsure(error)) return undefined;
      throw error;
    });
    if (answer?.status === 200) {
      if (answer.body['id_token']) await scene.seen(String(answer.body['id_token']));
      scene.told.taken.set(what, (scene.told.taken.get(what) ?? 0) + 1);
      return answer;
    }
    if (answer?.body['error'] === 'invalid_grant' && silent) return undefined;
    if (answer && answer.status !== 503) throw new Error(`refused: ${answer.status} ${answer.text}`);
    await pause(50);
  }
}

async function sure(person: Person, page: Promise<unknown>): Promise<void> {
  await page;
  if (person.page.status === 503) throw new Unsure();
  if (person.page.status >= 400)
    throw new Error(`${person.page.url.pathname}: ${person.page.status} ${person.page.text}`);
}

function isUnsure(error: unknown): boolean {
  if (error instanceof Unsure || error instanceof NoMail) return true;
  const { cause, message = '' } = (error ?? {}) as { cause?: unknown; message?: string };
  return (
    /fetch failed|terminated|other side closed/.test(message) || (cause !== undefined && isUnsure(cause))
  );
}
