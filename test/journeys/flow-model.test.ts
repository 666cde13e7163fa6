import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { STEPS } from '../../src/journeys/sign-in/next-step.js';
import { setUpApp } from '../support/authenticator-app.js';
import { type Flow, mailedCode, POSTS, type Post, reach, STATES } from '../support/flow-table.js';
import { until } from '../support/jobs.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold, unchecked } from '../support/keyhold.js';
import { accountOf, peopleOnRecord } from '../support/ledger.js';
import { linkIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { ownRoutes } from '../support/routes.js';
import {
  csrfOf,
  memberOf,
  postScript,
  requestPath,
  sendStep,
  signUpWithPasskey,
  toPassword,
  toSignUpCode,
} from '../support/steps.js';
import { claimDomain, declareOpenid, openUpstream, type TestUpstream } from '../support/upstream.js';

// Every post of a pending request from every place of it, with the cookies and the token of the very browser (class C06).

let keyhold: TestKeyhold;
let app: RelyingParty;
let stranger: RelyingParty;
let upstream: TestUpstream;
let flow: Flow;
let count = 0;

/* Nothing more is proved by these: what was proved before signs somebody in, or does what it was proved for. */
const ACTS: readonly string[] = [
  '/consent',
  '/consent/known',
  '/question',
  '/question/skip',
  '/passkey/skip',
  '/second-step/kept',
  '/second-factor/skip',
  '/recovery-codes/kept',
  '/lost/begin',
  '/lost/stop',
];

const PREFIX = 'POST /interaction/:uid';
const PLACES = Object.entries(STATES);

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  stranger = await openRelyingParty(unchecked(keyhold));
  upstream = await openUpstream();
  await declareOpenid(keyhold, { id: 'acme', name: 'Acme', issuer: upstream.issuer });
  await claimDomain(keyhold, 'acme.test', 'acme');
  await until(async () => {
    const person = personAt(keyhold);
    await toPassword(person, app, 'somebody@acme.test');
    return person.page.heading === 'Sign in with Acme';
  });
  const names = ['member', 'careful', 'keyed', 'losing'];
  const [member = '', careful = '', keyed = '', email = ''] = names.map(name => `${name}@example.test`);
  await memberOf(keyhold, app, member);
  const mine = await setUpApp(keyhold, await newMember(keyhold, app, careful));
  const losing = {
    email,
    mine: await setUpApp(keyhold, await newMember(keyhold, app, email)),
    accountId: await accountOf(keyhold.db, email),
  };
  const passkey = await signUpWithPasskey(personAt(keyhold), app, keyhold.origin, keyed);
  const signingUp = personAt(keyhold);
  await toSignUpCode(signingUp, app, 'elsewhere@example.test');
  const mail = await signingUp.latestMail('elsewhere@example.test');
  const link = linkIn(mail).split('/').at(-1) ?? '';
  const memberId = await accountOf(keyhold.db, member);
  const people = { member, careful, mine, losing, passkey, memberId };
  const code = (person: Person) => mailedCode({ keyhold }, person);
  flow = { keyhold, app, stranger, upstream, ...people, link, mailedCode: code, next: () => ++count };
});

beforeEach(() => keyhold.db('attempts').delete());

afterAll(async () => {
  await app?.close();
  await stranger?.close();
  await upstream?.close();
  await keyhold?.close();
});

test('every step and every post of a pending request is in the model, and the model knows no other', () => {
  expect(new Set(PLACES.map(([, { step }]) => step))).toEqual(new Set(STEPS));
  const routes = ownRoutes().map(({ method, path }) => `${method} ${path}`);
  const posts = routes.filter(route => route.startsWith(PREFIX)).map(route => route.slice(PREFIX.length));
  expect(Object.keys(POSTS).sort()).toEqual(posts.sort());
  for (const { legal } of Object.values(POSTS))
    expect(Object.keys(legal).filter(name => !(name in STATES))).toEqual([]);
});

type Row = Readonly<Record<string, unknown>>;

/* The notes of a request, and all that the engine keeps of it. */
async function requestOf(uid: string): Promise<Row> {
  return keyhold.db('interactions').where({ id: uid }).first();
}

const uidOf = (person: Person) => requestPath(person).split('/')[2] ?? '';

interface Sent {
  readonly status: number;
  readonly location: string;
  readonly text: string;
}

async function send(person: Person, path: string, post: Post, fields: Row): Promise<Sent> {
  const at = path.replace(':token', post.token?.(flow) ?? '').replace(':provider', 'acme');
  if (post.script) {
    const { status, body } = await postScript(person, at, fields);
    return { status, location: String(body['location'] ?? ''), text: '' };
  }
  const written = Object.entries(fields).map(([name, value]) => [name, String(value)]);
  const { status, headers, text } = await sendStep(person, at, Object.fromEntries(written));
  return { status, location: headers.get('location') ?? '', text };
}

/** Somebody at this place; where its page has no form, with one of the same request before them, which changes nothing. */
async function stand(name: string, heading: string): Promise<Person> {
  const person = await reach(flow, name);
  expect(person.page.heading).toBe(heading);
  await withForm(person);
  return person;
}

async function withForm(person: Person): Promise<void> {
  if (csrfOf(person) !== '') return;
  await person.goto(new URL(`${requestPath(person)}?way=sign-in`, keyhold.origin));
}

/* Something is proved by it, or done that was proved before. */
const isAct = (path: string, { wrong }: Post) => wrong !== undefined || ACTS.includes(path);

describe.each(PLACES)('at %s', (name, { heading }) => {
  const posts = Object.entries(POSTS);
  const illegal = posts.filter(([, { legal }]) => !(name in legal));
  const provable = posts.filter(([, { legal, wrong }]) => name in legal && wrong);
  const legal = posts.filter(([path, post]) => name in post.legal && path !== '/choose');

  test('C06, C15: no post of another step does anything, however right it is; nor does an empty or a wrong one here', async () => {
    const person = await stand(name, heading);
    const [uid, due] = [uidOf(person), new URL(requestPath(person), keyhold.origin)];
    const before = [await peopleOnRecord(keyhold.db), await requestOf(uid)];
    for (const [path, post] of illegal) {
      const right = await post.right(flow, person);
      const { status, location } = await send(person, path, post, right);
      const expected = post.script ? [409, ''] : [303, due.pathname];
      expect([path, status, location]).toEqual([path, ...expected]);
      expect([path, await requestOf(uid)]).toEqual([path, before[1]]);
    }
    for (const [path, post] of provable) {
      for (const fields of [{}, { unknown: 'field' }, await post.wrong?.(flow, person)]) {
        const { status, location } = await send(person, path, post, fields ?? {});
        const stays = [303, 400].includes(status) && (location === '' || location === due.pathname);
        expect([path, fields, stays]).toEqual([path, fields, true]);
        expect([path, await requestOf(uid)]).toEqual([path, before[1]]);
      }
    }
    await person.goto(due);
    expect(person.page.heading).toBe(heading);
    expect(await peopleOnRecord(keyhold.db)).toBe(before[0]);
  });

  async function leadsOn(person: Person, path: string, post: Post): Promise<void> {
    const here = person.page.url;
    const right = await post.right(flow, person);
    const before = await peopleOnRecord(keyhold.db);
    const { status, location, text } = await send(person, path, post, right);
    const goal = post.legal[name] ?? '';
    if (goal === '') expect([path, status]).toEqual([path, 200]);
    else if (location === '') expect([path, text]).toEqual([path, expect.stringContaining(goal)]);
    else {
      await person.goto(new URL(location, here));
      expect([path, person.page.heading]).toEqual([path, goal]);
    }
    if (!isAct(path, post)) expect([path, await peopleOnRecord(keyhold.db)]).toEqual([path, before]);
  }

  const acts = legal.filter(([path, post]) => isAct(path, post));
  if (acts.length > 0)
    test.each(acts)('%s does what it is for', async (path, post) => {
      await leadsOn(await stand(name, heading), path, post);
    });

  test('C06: what needs no proof leads where it may, and does nothing', async () => {
    const person = await stand(name, heading);
    const uid = uidOf(person);
    const due = new URL(requestPath(person), keyhold.origin);
    const { progress } = await requestOf(uid);
    for (const [path, post] of legal.filter(([each, one]) => !isAct(each, one) && each !== '/deny')) {
      await leadsOn(person, path, post);
      await keyhold
        .db('interactions')
        .where({ id: uid })
        .update({ progress: progress === null ? null : JSON.stringify(progress) });
      await person.goto(due);
      expect([path, person.page.heading]).toEqual([path, heading]);
      await withForm(person);
    }
    await leadsOn(person, '/deny', POSTS['/deny'] as Post);
  });

  test('C06: what was proved is not proved any more after turning back', async () => {
    const person = await stand(name, heading);
    await send(person, '/back', POSTS['/back'] as Post, {});
    const [uid, due] = [uidOf(person), new URL(requestPath(person), keyhold.origin)];
    await person.goto(due);
    const now = [person.page.heading, await peopleOnRecord(keyhold.db), await requestOf(uid)];
    for (const path of [
      '/account',
      '/new-account',
      '/passkey/skip',
      '/recovery/password',
      '/second-step',
      '/second-step/kept',
      '/second-factor/app/code',
      '/second-factor/skip',
      '/recovery-codes/kept',
    ]) {
      const post = POSTS[path] as Post;
      if (!['consent', 'app-warning', 'question'].includes(name))
        await send(person, path, post, await post.right(flow, person));
    }
    await person.goto(due);
    expect([person.page.heading, await peopleOnRecord(keyhold.db), await requestOf(uid)]).toEqual(now);
  });
});
