import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { csvOf } from '../../../../src/journeys/manage/history/download.js';
import { openKeyring } from '../../../../src/platform/crypto/keyring.js';
import { openPlaces } from '../../../../src/platform/places.js';
import { accountToken } from '../../../support/account-api.js';
import { personAt } from '../../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../../support/keyhold.js';
import { accountOf } from '../../../support/ledger.js';
import { signInBeside } from '../../../support/people.js';
import type { Person } from '../../../support/person.js';
import { newMember } from '../../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../../support/relying-party.js';
import { postStep, toPassword } from '../../../support/steps.js';

// What somebody sees of what was done about their account.

let keyhold: TestKeyhold;
let app: RelyingParty;
let email: string;
let accountId: string;
let count = 0;
const SCOPE = 'account:history:read';
const at = (path: string) => new URL(path, keyhold.origin);

beforeAll(async () => {
  keyhold = await startKeyhold({ TRUSTED_PROXIES: '127.0.0.1/32' });
  app = await openRelyingParty(keyhold, {
    client_name: 'Photo Album',
    scope: `openid profile email ${SCOPE}`,
  });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

/** The owner in a browser of their own, at an address of the internet. */
async function owner(from = '129.132.19.216'): Promise<Person> {
  const person = personAt(keyhold, { headers: { 'X-Forwarded-For': from } });
  await signInBeside(person, app, email);
  return person;
}

/** As if this had happened, so many minutes after one another, the last one just now. */
async function happened(...types: readonly string[]): Promise<void> {
  const now = Date.now();
  const rows = types.map((type, index) => {
    const msecs = now - (types.length - index) * 60_000;
    return { id: uuidv7({ msecs }), at: new Date(msecs), type, actor_kind: 'person', account_id: accountId };
  });
  for (let from = 0; from < rows.length; from += 1_000)
    await keyhold.db('events').insert(rows.slice(from, from + 1_000));
}

const events = (type: string) => keyhold.db('events').where({ account_id: accountId, type });

test('a sign-in is told in plain words, with its time, browser, country and app', async () => {
  const person = await owner();
  await person.goto(at('/account/history'));
  expect([person.page.status, person.page.heading]).toEqual([200, 'History']);
  for (const part of ['Signed in with the password', 'Firefox · Linux', 'Switzerland', 'Photo Album'])
    expect(person.page.text).toContain(part);
  expect(person.page.text).toContain('The account was created');
  expect(person.page.text).not.toContain('129.132');
});

test('tries by a stranger are one row, however many they are, and hide nothing', async () => {
  await happened('password.changed', ...Array(3_000).fill('sign_in.failed'), 'passkey.added');
  const person = await owner();
  await person.goto(at('/account/history'));
  expect(person.page.text).toContain('More than 20 tries did not get in');
  for (const part of ['A passkey was added', 'The password was changed', 'The account was created'])
    expect(person.page.text).toContain(part);
  await person.follow('Show each of them');
  expect(person.page.text).toContain('A try to sign in did not work');
  expect(person.page.text).not.toContain('A passkey was added');
});

test('a wrong password is a try: one, in words, and each on its own when asked for', async () => {
  const stranger = personAt(keyhold, { headers: { 'X-Forwarded-For': '133.11.0.1' } });
  await toPassword(stranger, app, email);
  await postStep(stranger, '/password', { password: 'a wrong one of a stranger' });
  const person = await owner();
  await person.goto(at('/account/history'));
  expect(person.page.text).toContain('1 try did not get in');
  expect(person.page.text).toContain('Japan');
  await person.follow('Tries that failed');
  expect(person.page.text).toContain('A try to sign in with a password did not work');
  expect(person.page.text).not.toContain('Signed in with');
});

test('pages follow one another, every action once, and lead back', async () => {
  await happened(
    ...Array.from({ length: 60 }, (_, index) => (index % 2 ? 'profile.changed' : 'terms.accepted')),
  );
  const person = await owner();
  await person.goto(at('/account/history'));
  const seen: string[] = [];
  for (let page = 0; page < 9; page += 1) {
    seen.push(
      ...[...person.page.html.matchAll(/history\/([\da-f-]{36})\/object/g)].map(found => found[1] ?? ''),
    );
    if (!person.page.html.includes('>Older</a>')) break;
    await person.follow('Older');
  }
  expect(seen.length).toBe(new Set(seen).size);
  const shown = await keyhold
    .db('events')
    .where({ account_id: accountId })
    .whereNotIn('type', [
      'passkey.used',
      'password.rehashed',
      'objection.begun',
      'email_proof.ended',
      'email_proof.sent',
      'email_proof.failed',
    ]);
  expect(seen).toHaveLength(shown.length);
  expect(seen).toEqual([...seen].sort().reverse());
  await person.follow('Back to the newest');
  expect(person.page.url.search).toBe('');
});

test('days are those of the person, both included; what is no day is said at its field, and kept', async () => {
  const person = await owner();
  await person.goto(at('/account/history'));
  const today = new Date().toISOString().slice(0, 10);
  person.fill('From', '2020-01-01');
  person.fill('To', '2020-01-31');
  await person.press('Show');
  expect(person.page.text).toContain('Nothing of that kind happened in these days.');
  expect(person.page.url.search).toBe('?from=2020-01-01&to=2020-01-31');
  await person.follow('Show everything');
  expect(person.page.text).toContain('The account was created');
  await person.goto(at(`/account/history?from=${today}&to=${today}`));
  expect(person.page.text).toContain('The account was created');
  for (const [query, said] of [
    ['from=yesterday', 'Enter a day, such as 2026-05-31.'],
    ['from=2026-05-31&to=2026-05-01', 'The last day is before the first one.'],
  ] as const) {
    await person.goto(at(`/account/history?${query}`));
    expect([person.page.status, person.page.text.includes(said)]).toEqual([200, true]);
  }
  expect(person.page.html).toContain('value="2026-05-01"');
  for (const odd of ['kind=constructor', 'before=1', 'before[]=x&kind=a&kind=b']) {
    await person.goto(at(`/account/history?${odd}`));
    expect([odd, person.page.status]).toEqual([odd, 200]);
  }
});

test('a type that nobody has words for is something that happened', async () => {
  await happened('of_the_future.happened');
  const person = await owner();
  await person.goto(at('/account/history'));
  expect(person.page.text).toContain('Something happened in your account');
});

test('once the key is destroyed, what happened is told without place and browser', async () => {
  const person = await owner();
  await keyhold.db('subject_keys').where({ account_id: accountId }).delete();
  await person.goto(at('/account/history'));
  expect(person.page.text).toContain('Place and browser unknown');
  expect(person.page.text).not.toContain('Switzerland');
});

/** A file as it is downloaded, with what a browser makes of it. */
async function downloaded(person: Person, path: string) {
  await person.goto(at(path));
  const { headers } = person.page;
  return {
    text: person.page.html,
    type: headers.get('content-type'),
    name: headers.get('content-disposition'),
    status: person.page.status,
  };
}

test('CSV and JSON hold everything that is shown, each try on its own, and nobody else’s', async () => {
  await happened(...Array(1_200).fill('sign_in.failed'), 'objection.begun');
  const person = await owner();
  await newMember(keyhold, app, `other-${email}`);
  const csv = await downloaded(person, '/account/history.csv');
  expect([csv.status, csv.name]).toEqual([200, 'attachment; filename="history.csv"']);
  expect(csv.type).toBe('text/csv; charset=utf-8; header=present');
  const lines = csv.text.trim().split('\r\n');
  expect(lines[0]).toContain('"Time (UTC)","Kind","What"');
  const shown = await keyhold
    .db('events')
    .where({ account_id: accountId })
    .whereNotIn('type', ['objection.begun', 'email_proof.ended', 'password.rehashed', 'passkey.used'])
    .pluck('id');
  expect(
    lines
      .slice(1)
      .map(line => line.slice(-37, -1))
      .sort(),
  ).toEqual(shown.map(String).sort());
  expect(csv.text).toContain('"Signed in with the password"');
  expect(csv.text).toContain('"Switzerland","129.132.19.216"');

  const json = await downloaded(person, '/account/history.json');
  const entries: Record<string, unknown>[] = JSON.parse(json.text);
  expect(entries.map(({ id }) => id)).toEqual(lines.slice(1).map(line => line.slice(-37, -1)));
  expect(entries.at(0)).toMatchObject({
    kind: 'sign_ins',
    by: 'person',
    country: 'CH',
    app: { name: 'Photo Album' },
  });
  const tries = JSON.parse((await downloaded(person, '/account/history.json?kind=tries')).text);
  expect(new Set(tries.map(({ kind }: { kind: string }) => kind))).toEqual(new Set(['tries']));
  expect(JSON.parse((await downloaded(person, '/account/history.json?to=2020-01-01')).text)).toEqual([]);
});

test('a file is read from the database as it is taken, and not before', async () => {
  await happened(...Array(2_500).fill('sign_in.failed'));
  const telling = { say: (key: string) => key, country: (code: string) => code };
  const parts = {
    db: keyhold.db,
    keyring: openKeyring(keyhold.config.secret),
    places: openPlaces(() => undefined),
  };
  const trips = await keyhold.trips.during(async () => {
    const file = csvOf(parts, accountId, {}, telling);
    for await (const _ of file) break;
  });
  expect(trips.filter(text => text.includes('FROM events')).length).toBeLessThanOrEqual(2);
});

test('C51: what comes from outside is no formula in a spreadsheet', async () => {
  const evil = await openRelyingParty(keyhold, { client_name: '=HYPERLINK("https://evil.example","x")' });
  const person = personAt(keyhold, { headers: { 'X-Forwarded-For': '129.132.19.216' } });
  await signInBeside(person, evil, email).catch(() => undefined);
  if (person.page.buttons.includes('Allow')) await person.press('Allow');
  const csv = await downloaded(person, '/account/history.csv');
  expect(csv.text).toContain(`"'=HYPERLINK(""https://evil.example"",""x"")"`);
  await evil.close();
});

test('a history is written out twenty times an hour, and not more', async () => {
  const limited = await startKeyhold({ RATE_LIMITS: 'on' });
  const house = await openRelyingParty(limited, { first_party: true });
  const person = await newMember(limited, house, email);
  const answers: number[] = [];
  for (let time = 0; time < 22; time += 1) {
    await person.goto(new URL('/account/history.json', limited.origin));
    answers.push(person.page.status);
  }
  expect(answers).toEqual([...Array(20).fill(200), 429, 429]);
  await house.close();
  await limited.close();
}, 60_000);

test('an app that its person lets sees what happened, page by page, and every try', async () => {
  await happened(...Array(7).fill('sign_in.failed'), 'passkey.added');
  const person = await owner();
  const token = await accountToken(keyhold, person, app, SCOPE);
  const ask = async (query: string) => {
    const answer = await fetch(at(`/api/me/history${query}`), {
      headers: { authorization: `Bearer ${token}` },
    });
    return {
      status: answer.status,
      body: (await answer.json()) as { events: Record<string, unknown>[]; next?: string },
    };
  };
  const all = await ask('?limit=100');
  expect(all.status).toBe(200);
  expect(all.body.events.filter(({ kind }) => kind === 'tries').length).toBeGreaterThanOrEqual(7);
  const seen: unknown[] = [];
  for (let next: string | undefined = ''; next !== undefined; ) {
    const { body } = await ask(`?limit=4${next ? `&before=${next}` : ''}`);
    seen.push(...body.events.map(({ id }) => id));
    next = body.next;
  }
  expect(seen).toEqual(all.body.events.map(({ id }) => id));
  const later = encodeURIComponent(new Date(Date.now() - 150_000).toISOString());
  const recent = await ask(`?from=${later}&kind=tries`);
  expect(recent.body.events.map(({ type }) => type)).toEqual(['sign_in.failed']);
  for (const wrong of ['?limit=101', '?limit=0', '?kind=none', '?before=1', '?from=today', '?account_id=x'])
    expect([wrong, (await ask(wrong)).status]).toEqual([wrong, 400]);
});

test('"This wasn\'t me" on something harmless freezes nothing, says so, and signs out elsewhere if wished', async () => {
  await happened('consent.refused');
  const [row] = await events('consent.refused');
  const elsewhere = await owner();
  const person = await owner();
  await person.goto(at(`/account/history/${row.id}/object`));
  expect(person.page.text).toContain('Nobody gets into your account by this');
  expect(person.page.buttons).not.toContain("This wasn't me");
  await person.follow('Sign out everywhere else');
  await person.press('Sign out everywhere else');
  expect(person.page.status).toBe(200);
  await elsewhere.goto(at('/account'));
  expect(elsewhere.page.heading).toBe('Sign in');
  await person.goto(at('/account'));
  expect(person.page.heading).toBe('Your account');
});

test('an app that got somebody by a sign-in that was there already is told once, and the sign-in itself never twice', async () => {
  const person = await owner();
  const entered = () => events('app.entered');
  expect(await entered()).toEqual([]);
  const other = await openRelyingParty(keyhold, { client_name: 'Chess Club', first_party: true });
  for (let visit = 0; visit < 3; visit += 1) {
    await person.goto(await other.authorizationUrl({ prompt: 'none' }));
    expect(person.page.url.searchParams.has('code')).toBe(true);
  }
  const [event, ...more] = await entered();
  expect([more, event.client_id, event.sealed !== null]).toEqual([[], other.client.client_id, true]);
  await person.goto(at('/account/history'));
  expect(person.page.text).toContain('An app was opened with a sign-in that was there already');
  expect(person.page.text).toContain('Chess Club');
  await other.close();
});

test('the overview tells the last sign-ins in the same words', async () => {
  const person = await owner();
  await person.goto(at('/account'));
  for (const part of ['Signed in with the password', 'Firefox · Linux · Switzerland'])
    expect(person.page.text).toContain(part);
  await person.follow('See everything that happened');
  expect(person.page.heading).toBe('History');
});
