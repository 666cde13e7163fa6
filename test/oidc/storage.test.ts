import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { liveSlots, SLOT_COUNT, slotAt } from '../../src/oidc/artefacts.js';
import { sweepArtefacts } from '../../src/oidc/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { bringCode, eventsOf, newMember } from '../support/protocol.js';
import { openRawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  ada = await newMember(keyhold, app, 'ada@example.test');
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

/** Everything that the database holds, table by table, as text; bytes both as hex and as they are. */
async function everything(): Promise<ReadonlyMap<string, string>> {
  const { rows } = await keyhold.db.raw(
    `SELECT table_schema AS schema, table_name AS name FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND table_schema IN ('public', 'graphile_worker')`,
  );
  const held = new Map<string, string>();
  for (const { schema, name } of rows as { schema: string; name: string }[]) {
    if (schema === 'graphile_worker') continue;
    const found = await keyhold.db.raw('SELECT * FROM ??.??', [schema, name]);
    const text = (found.rows as object[]).map(row =>
      Object.values(row)
        .map(value =>
          Buffer.isBuffer(value)
            ? `${value.toString('latin1')} ${value.toString('hex')} ${value.toString('base64url')}`
            : JSON.stringify(value),
        )
        .join('\n'),
    );
    held.set(name, text.join('\n'));
  }
  return held;
}

const sweep = () =>
  sweepArtefacts(keyhold.db).run(undefined, {
    id: 'sweep',
    attempt: 1,
    last: false,
    signal: new AbortController().signal,
  });

const countOf = async (table: string) => Number((await keyhold.db(table).count({ n: '*' }))[0]?.n);

test('C30: no code, token, session id, password or secret is found in the database after a whole journey', async () => {
  const client = await openRawClient(keyhold, app.client);
  const unused = await bringCode(ada, app);
  const granted = await bringCode(ada, app);
  const first = await client.code(granted.code, granted.verifier, granted.redirectUri);
  const next = await client.refresh(String(first.body.refresh_token));
  const robot = await openRelyingParty(keyhold, {
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  });
  const cc = await (await openRawClient(keyhold, robot.client)).clientCredentials();
  await robot.close();
  await ada.goto(`${keyhold.issuer}/end-session`);
  const cookies = (await ada.jar.serialize()).cookies;
  const cookie = (name: string) => String(cookies.find(({ key }) => key === name)?.value ?? '');

  const secrets: Readonly<Record<string, unknown>> = {
    'the unused code': unused.code,
    'the used code': granted.code,
    'the access token': first.body.access_token,
    'the second access token': next.body.access_token,
    'the rotated refresh token': first.body.refresh_token,
    'the refresh token': next.body.refresh_token,
    'the ID token': String(first.body.id_token).split('.')[2],
    'the token of a robot': cc.body.access_token,
    'what the people of a browser are found by': cookie('keyhold_people'),
    'what forms are tied to': cookie('keyhold_browser'),
    'the browser cookie': cookie('keyhold_browser'),
    'the verifier': granted.verifier,
    'the client secret': app.client.client_secret,
    'the secret of a robot': robot.client.client_secret,
    'the password': GOOD_PASSWORD,
    'the secret of this Keyhold': keyhold.config.secret,
  };
  const held = await everything();
  expect([...held.keys()]).toEqual(
    expect.arrayContaining(['sessions', 'refresh_tokens', 'events', 'clients']),
  );
  expect(held.get('clients')).toContain(app.clientId);
  for (const [what, secret] of Object.entries(secrets)) {
    const text = String(secret);
    const bare = text.replace(/^kh_[a-z]+_/, '');
    expect([what, bare.length >= 16]).toEqual([what, true]);
    for (const [table, content] of held) {
      expect([
        what,
        table,
        content.includes(bare) || content.includes(Buffer.from(text).toString('hex')),
      ]).toEqual([what, table, false]);
    }
  }
});

test('what has expired is swept, and what has not stays', async () => {
  const other = personAt(keyhold);
  await other.goto(await app.authorizationUrl());
  await signIn(other, 'ada@example.test');
  const kept = await app.exchange();
  const swept = [
    'sessions',
    'grants',
    'access_tokens',
    'refresh_tokens',
    'client_credentials_tokens',
  ] as const;
  const keptGrant = await keyhold
    .db('access_tokens')
    .max({ grant: 'grant_id' })
    .where({ sid: kept.claims()?.sid ?? '' });
  const grant = String(keptGrant[0]?.['grant']);
  const [session] = await keyhold.db('access_tokens').select('session_uid').where({ grant_id: grant });

  await keyhold.db('replays').insert({ id: 'x', iss: 'x', issued_at: 1, expires_at: 2 });
  await keyhold.db('sessions').whereNot({ uid: session?.session_uid }).update({ expires_at: 1 });
  await keyhold.db('grants').whereNot({ id: grant }).update({ expires_at: 1 });
  for (const table of ['access_tokens', 'refresh_tokens']) {
    await keyhold.db(table).whereNot({ grant_id: grant }).update({ expires_at: 1 });
  }
  await keyhold.db('client_credentials_tokens').update({ expires_at: 1 });
  await sweep();

  expect(await Promise.all(swept.map(countOf))).toEqual([1, 1, 1, 1, 0]);
  expect(await countOf('replays')).toBe(0);
  expect((await app.introspect(kept.access_token)).active).toBe(true);
});

test('a session that ended is remembered for a day, then gone', async () => {
  await ada.goto(await app.authorizationUrl());
  await signIn(ada, 'ada@example.test');
  const before = await countOf('sessions');
  await keyhold.db('sessions').update({ ended_at: keyhold.db.raw(`now() - interval '23 hours'`) });
  await sweep();
  expect(await countOf('sessions')).toBe(before);
  await keyhold.db('sessions').update({ ended_at: keyhold.db.raw(`now() - interval '25 hours'`) });
  await sweep();
  expect(await countOf('sessions')).toBe(0);
});

test('codes and requests live in hourly slots, and the slot that is long over is emptied whole', async () => {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  const inSlots = async (table: string) =>
    Promise.all(Array.from({ length: SLOT_COUNT }, (_, slot) => countOf(`${table}_${slot}`)));
  const over = (slotAt(Date.now()) + 2) % SLOT_COUNT;
  for (const table of ['interactions', 'authorization_codes']) {
    await keyhold.db(table).update({ slot: over });
    expect((await inSlots(table))[over]).toBeGreaterThan(0);
  }
  await sweep();
  expect(await inSlots('interactions')).toEqual([0, 0, 0, 0]);
  expect(await inSlots('authorization_codes')).toEqual([0, 0, 0, 0]);
});

test('what is at most an hour old is looked for in the slot that it went to, also where another machine has it five minutes later', () => {
  const within = fc.record({ read: fc.nat(86_400_000), age: fc.nat(3_600_000), ahead: fc.nat(300_000) });
  fc.assert(
    fc.property(within, ({ read, age, ahead }) => {
      const now = 1_800_000_000_000 + read;
      return liveSlots(now).includes(slotAt(now - age + ahead));
    }),
    { numRuns: 5_000 },
  );
});

/* In the last seconds of an hour the slot of the next one, which is looked into as well. */
function anotherSlot(): number {
  const now = Date.now();
  return slotAt(now) === slotAt(now + 10_000) ? slotAt(now - 3_600_000) : slotAt(now + 10_000);
}

test('a request goes on that lies in the slot of the hour before', async () => {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await keyhold.db('interactions').update({ slot: anotherSlot() });
  await signIn(person, 'ada@example.test');
  expect(person.page.heading).toBe('Back in the app');
});

test('C34: and a code of the hour before that comes again ends what came of it', async () => {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await signIn(person, 'ada@example.test');
  const tokens = await app.exchange();
  await keyhold.db('authorization_codes').update({ slot: anotherSlot(), expires_at: 1 });
  await expect(app.exchange()).rejects.toMatchObject({ error: 'invalid_grant' });
  await expect(app.userInfo(tokens)).rejects.toThrow();
  const [reuse] = await eventsOf(keyhold.db, 'grant.reuse_detected');
  expect(reuse).toMatchObject({ client_id: app.clientId, detail: { kind: 'AuthorizationCode' } });
});
