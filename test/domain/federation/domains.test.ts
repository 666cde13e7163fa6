import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import {
  addDomain,
  checkDomains,
  domainNamed,
  findRealm,
  mustUse,
} from '../../../src/domain/federation/federation.js';
import { DOMAINS_USAGE, runDomains } from '../../../src/domain-commands.js';
import { watchDomains } from '../../../src/federation-watch.js';
import { type Names, openNames } from '../../../src/platform/names.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { recordedDuring } from '../../support/ledger.js';

const ISSUER = new URL('https://id.example');
const DAY = 86_400_000;

let database: TestDatabase;
/** What the DNS says, by name; undefined where it does not answer. */
let zone: Map<string, readonly string[] | undefined>;
let clock: Date;

const names: Names = {
  texts: async name => {
    const texts = zone.has(name) ? zone.get(name) : [];
    if (!texts) throw new Error('SERVFAIL');
    return texts;
  },
};

beforeAll(async () => {
  database = await openTestDatabase();
  for (const id of ['acme', 'other']) await provider(id);
});

beforeEach(async () => {
  zone = new Map();
  clock = new Date();
  await database.db('federated_domains').delete();
  await database.db('identity_providers').update({ state: 'enabled' });
});

afterAll(() => database?.close());

const provider = (id: string) =>
  database.db('identity_providers').insert({
    id,
    kind: 'ldap',
    state: 'enabled',
    name: id,
    place: 1,
    settings: '{}',
    mapping: '{}',
    created_at: new Date(),
    updated_at: new Date(),
  });

async function run(words: string, issuer = ISSUER) {
  const out: string[] = [];
  const err: string[] = [];
  const command = {
    db: database.db,
    config: { issuer },
    names,
    print: (text: string) => void out.push(text),
    fail: (text: string) => void err.push(text),
  };
  const code = await runDomains(words.split(' '), command);
  return { code, err: err.join('\n'), answer: out.length === 0 ? undefined : JSON.parse(out.join('')) };
}

/** Claims a domain, and puts its record into the DNS. */
async function claimed(domain: string, words = ''): Promise<{ name: string; value: string }> {
  const { answer } = await run(`add ${domain} acme${words}`);
  zone.set(answer.record.name, ['v=spf1 -all', answer.record.value]);
  expect((await run(`verify ${domain}`)).code).toBe(0);
  return answer.record;
}

const stateOf = async (domain: string) =>
  (await database.db('federated_domains').where({ domain }).first('state'))?.state;
const realm = (domain: string) => findRealm(database.db, domain);
const look = () =>
  checkDomains({ db: database.db, issuer: ISSUER, names, now: () => clock }).run({}, {
    signal: new AbortController().signal,
  } as never);
const later = (days: number) => {
  clock = new Date(clock.getTime() + days * DAY);
};

test('a domain leads nowhere until its record was found, and then to its provider', async () => {
  const events = await recordedDuring(database.db, async () => {
    const { code, answer } = await run('add Acme.Example. acme');
    expect([code, answer.domain, answer.state]).toEqual([0, 'acme.example', 'pending']);
    expect(answer.record).toEqual({
      name: '_keyhold.acme.example',
      type: 'TXT',
      value: expect.stringMatching(/^keyhold-domain=[\w-]{43}$/),
    });
    expect((await run('verify acme.example')).code).toBe(1);
    expect(await realm('acme.example')).toBeUndefined();
    zone.set('_keyhold.acme.example', [answer.record.value]);
    expect((await run('verify acme.example')).answer.state).toBe('verified');
  });
  expect(await realm('acme.example')).toMatchObject({ providerId: 'acme', required: false });
  expect(await realm('mail.acme.example')).toBeUndefined();
  expect(events.map(({ type }) => type)).toEqual(['federated_domain.added', 'federated_domain.verified']);
});

test('what another issuer, another provider or another domain would be shown by claims nothing', async () => {
  const { answer } = await run('add acme.example acme');
  const there = await run('list acme', new URL('https://elsewhere.example'));
  const [{ record: foreign }] = there.answer.domains;
  const { answer: other } = await run('add acme.example other');
  const { answer: sister } = await run('add sister.example acme');
  const values = [
    foreign.value,
    other.record.value,
    sister.record.value,
    `${answer.record.value}x`,
    'keyhold-domain=',
  ];
  zone.set('_keyhold.acme.example', values);
  zone.set('acme.example', [answer.record.value]);
  expect(new Set([...values, answer.record.value]).size).toBe(6);
  expect((await run('verify acme.example acme')).code).toBe(1);
  expect(await realm('acme.example')).toBeUndefined();
});

test('one provider has a domain at a time, and which of several is meant has to be said', async () => {
  await claimed('acme.example');
  const { answer } = await run('add acme.example other');
  zone.set('_keyhold.acme.example', [answer.record.value]);
  expect((await run('verify acme.example')).err).toContain('several providers');
  expect((await run('verify acme.example other')).err).toContain('another provider already');
  expect(await realm('acme.example')).toMatchObject({ providerId: 'acme' });
  expect((await run('remove acme.example acme')).code).toBe(0);
  expect((await run('verify acme.example other')).code).toBe(0);
  expect(await realm('acme.example')).toMatchObject({ providerId: 'other' });
});

test('what is missing for seven days lapses, each day of it is on record, and a record that comes back is enough', async () => {
  const record = await claimed('acme.example');
  const types = async () => (await recordedDuring(database.db, look)).map(({ type }) => type);
  later(1);
  expect(await types()).toEqual([]);
  zone.set(record.name, []);
  later(1);
  expect(await types()).toEqual(['federated_domain.missed']);
  expect(await types()).toEqual([]);
  zone.set(record.name, undefined);
  later(5);
  expect(await types()).toEqual(['federated_domain.missed']);
  expect(await realm('acme.example')).toBeDefined();
  zone.set(record.name, [record.value]);
  later(1);
  expect(await types()).toEqual([]);
  zone.delete(record.name);
  later(7.1);
  expect(await types()).toEqual(['federated_domain.lapsed']);
  expect([await stateOf('acme.example'), await realm('acme.example')]).toEqual(['lapsed', undefined]);
  zone.set(record.name, [record.value]);
  later(1);
  expect(await types()).toEqual([]);
  expect(await realm('acme.example')).toBeUndefined();
  expect((await run('verify acme.example')).code).toBe(0);
  expect(await realm('acme.example')).toBeDefined();
});

test('C03: a domain leads nowhere as soon as it is removed, or its provider is disabled or removed', async () => {
  await claimed('acme.example');
  await database.db('identity_providers').where({ id: 'acme' }).update({ state: 'disabled' });
  expect(await realm('acme.example')).toBeUndefined();
  await database.db('identity_providers').where({ id: 'acme' }).update({ state: 'enabled' });
  expect(await realm('acme.example')).toBeDefined();
  const events = await recordedDuring(database.db, () => run('remove acme.example'));
  expect(events).toEqual([
    expect.objectContaining({
      type: 'federated_domain.removed',
      detail: { domain: 'acme.example', provider: 'acme' },
    }),
  ]);
  expect(await realm('acme.example')).toBeUndefined();
  await provider('brief');
  await openWork(database.db, { kind: 'operator' }, work =>
    addDomain(work, ISSUER, {
      domain: 'brief.example',
      providerId: 'brief',
      required: false,
      exceptRoles: [],
    }),
  );
  await database.db('identity_providers').where({ id: 'brief' }).delete();
  expect(await stateOf('brief.example')).toBeUndefined();
});

test('saying anew what a domain demands keeps its record and its state', async () => {
  await claimed('acme.example');
  const { answer } = await run('add acme.example acme --required --except-role break-glass,admin');
  expect([answer.state, answer.required, answer.except_roles]).toEqual([
    'verified',
    true,
    ['break-glass', 'admin'],
  ]);
  const found = await realm('acme.example');
  expect(found && [mustUse(found, []), mustUse(found, ['admin']), mustUse(found, ['x'])]).toEqual([
    true,
    false,
    true,
  ]);
  expect(found && mustUse({ ...found, required: false }, [])).toBe(false);
});

test('the list is in pages, and says which record belongs where', async () => {
  await claimed('acme.example');
  await run('add acme.example other');
  await run('add zoo.example other');
  const all = (await run('list')).answer.domains;
  expect(all.map((each: { domain: string; provider: string }) => `${each.domain} ${each.provider}`)).toEqual([
    'acme.example acme',
    'acme.example other',
    'zoo.example other',
  ]);
  expect((await run('list other')).answer.domains).toHaveLength(2);
  const after = await runAfter('acme.example acme');
  expect(after.map(({ domain }: { domain: string }) => domain)).toEqual(['acme.example', 'zoo.example']);
});

async function runAfter(place: string) {
  const out: string[] = [];
  const [print, fail] = [(text: string) => void out.push(text), () => undefined];
  await runDomains(['list', '--after', place], {
    db: database.db,
    config: { issuer: ISSUER },
    names,
    print,
    fail,
  });
  return JSON.parse(out.join('')).domains;
}

test.each([
  ['add gmail acme', 1, 'no domain'],
  ['add -- acme', 2, ''],
  ['add acme.example nobody', 1, 'no identity provider nobody'],
  ['add acme.example', 2, ''],
  ['add acme.example acme --except-role Ünsinn', 2, 'no name of a role'],
  ['verify nowhere.example', 1, 'not claimed'],
  ['remove nowhere.example', 1, 'not claimed'],
  ['remove nowhere.example acme', 1, 'not claimed'],
  ['list acme --required', 2, ''],
  ['verify acme.example --after x', 2, ''],
  ['claim acme.example acme', 2, ''],
])('"domains %s" is not understood or refused, and changes nothing', async (words, code, why) => {
  const events = await recordedDuring(database.db, async () => {
    const said = await run(words);
    expect([said.code, said.err]).toEqual([code, expect.stringContaining(code === 2 ? DOMAINS_USAGE : why)]);
    expect(said.err).toContain(why);
  });
  expect(events).toEqual([]);
});

test('doctor says which record is missing and until when, and which claim has lapsed', async () => {
  const said = () => watchDomains(database.db, ISSUER);
  const record = await claimed('acme.example');
  expect(await said()).toEqual([]);
  zone.delete(record.name);
  later(1);
  await look();
  const until = new Date(clock.getTime() + 6 * DAY).toISOString().slice(0, 10);
  expect(await said()).toEqual([
    ['problem', expect.stringContaining(`from ${until} on acme.example leads nowhere`)],
  ]);
  later(7);
  await look();
  expect(await said()).toEqual([['problem', expect.stringContaining('acme.example lead nowhere')]]);
});

test('a domain is the one of addresses: in ASCII, in lower case, and with a dot', () => {
  expect(['ACME.example', 'bücher.example', 'a.b.example.'].map(domainNamed)).toEqual([
    'acme.example',
    'xn--bcher-kva.example',
    'a.b.example',
  ]);
  for (const wrong of ['localhost', '127.0.0.1', 'a@b.example', 'x..y', `${'a'.repeat(64)}.example`, '']) {
    expect(() => domainNamed(wrong)).toThrow('no domain');
  }
});

test('the DNS is asked for real: pieces are put together, no record is none, and no answer is no answer', async () => {
  const server = createSocket('udp4');
  server.on('message', (query, from) => server.send(answerTo(query), from.port, from.address));
  await new Promise<void>(resolve => server.bind(0, '127.0.0.1', resolve));
  const asked = openNames([`127.0.0.1:${server.address().port}`]);
  expect(await asked.texts('_keyhold.there.example')).toEqual(['keyhold-domain=abc']);
  expect(await asked.texts('_keyhold.empty.example')).toEqual([]);
  expect(await asked.texts('_keyhold.nowhere.example')).toEqual([]);
  await expect(asked.texts('_keyhold.broken.example')).rejects.toThrow('ESERVFAIL');
  server.close();
});

/* RFC 1035 §4: the question back, with one TXT record in two pieces, none, no such name, or a failure. */
function answerTo(query: Buffer): Buffer {
  const name = query.toString('latin1');
  const code = name.includes('nowhere') ? 3 : name.includes('broken') ? 2 : 0;
  const question = query.subarray(12, query.indexOf(0, 12) + 5);
  const pieces = ['keyhold-', 'domain=abc'].map(text =>
    Buffer.from(`${String.fromCharCode(text.length)}${text}`),
  );
  const text = Buffer.concat(pieces);
  const record = Buffer.concat([
    Buffer.from('c00c0010000100000000', 'hex'),
    Buffer.from([0, text.length]),
    text,
  ]);
  const has = name.includes('there');
  const header = Buffer.concat([
    query.subarray(0, 2),
    Buffer.from([0x84, code, 0, 1, 0, has ? 1 : 0, 0, 0, 0, 0]),
  ]);
  return Buffer.concat([header, question, ...(has ? [record] : [])]);
}
