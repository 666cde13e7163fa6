import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { v7 as uuidv7 } from 'uuid';
import { askExport, findExport, openExport } from '../../../src/domain/exports/exports.js';
import { openSchema } from '../../../src/domain/profiles/profiles.js';
import { listHeld, NOT_EXPORTED } from '../../../src/domain/purposes/purposes.js';
import { filesOf } from '../../../src/journeys/privacy/export-rooms.js';
import { EXPORT_GROUPS } from '../../../src/journeys/privacy/models.js';
import { zipOf } from '../../../src/journeys/privacy/zip.js';
import { loadSigningKeys } from '../../../src/oidc/keys.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { sealUnder } from '../../../src/platform/crypto/sealing.js';
import type { ExportFile, ExportScope } from '../../../src/platform/storage/export-file.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { fillTables } from '../../support/any-rows.js';
import { aTry, copyJob } from '../../support/copies.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { drained, unzip } from '../../support/zip.js';

// A row with something in every column of every table that profile/held.json names, and what of it is in a real copy.

const SHE = '019f0000-0000-7000-8000-00000000000a';
const HE = '019f0000-0000-7000-8000-00000000000b';
const { exported, tables } = listHeld();
const REASONS: readonly string[] = NOT_EXPORTED;
/** What of what is promised, column by column: its table, its name and the file it stands in. */
const promised = Object.entries(exported).flatMap(([table, rules]) =>
  Object.entries(rules)
    .filter(([file]) => !REASONS.includes(file))
    .flatMap(([file, columns]) => columns.split(' ').map(column => ({ table, column, file }))),
);
const unpromised = Object.entries(exported).flatMap(([table, rules]) =>
  Object.entries(rules)
    .filter(([file]) => REASONS.includes(file))
    .flatMap(([why, columns]) => columns.split(' ').map(column => ({ table, column, why }))),
);

const keyring = openKeyring(randomBytes(32).toString('base64'));
let database: TestDatabase;
let files: readonly ExportFile[];
let copies: ReadonlyMap<ExportScope, ReadonlyMap<string, Buffer>>;
/** What was put into columns that are in no file, as it would be read. */
const kept = new Map<string, readonly string[]>();

const reading = async () => ({
  db: database.db,
  keyring,
  issuer: new URL('https://id.example.test'),
  profile: await openSchema(database.db),
});

beforeAll(async () => {
  database = await openTestDatabase();
  await fill();
  await loadSigningKeys(database.db, keyring);
  files = await filesOf(await reading(), { accountId: SHE, scope: 'access' });
  const made = [];
  for (const scope of ['access', 'portability'] as const) made.push([scope, await copyOf(scope)] as const);
  copies = new Map(made);
}, 60_000);

afterAll(() => database?.close());

async function copyOf(scope: ExportScope): Promise<ReadonlyMap<string, Buffer>> {
  const { db } = database;
  const wish = { accountId: SHE, scope, language: 'de' };
  const asked = await openWork(db, { kind: 'person', id: SHE }, work => askExport(work, keyring, wish));
  if (asked.outcome !== 'asked') throw new Error(asked.outcome);
  const key = { accountId: SHE, id: asked.id };
  await copyJob(db, keyring, 'https://id.example.test').run(key, aTry());
  const copy = await openExport(db, keyring, key);
  if (copy?.state !== 'ready') throw new Error(`it is ${(await findExport(db, key))?.state}`);
  return unzip(await drained(await zipOf(db, copy)));
}

/* Sealed as each room and journey seals it; everything else is made up. */
async function fill(): Promise<void> {
  const columns = (accountId: string) => {
    const id = (table: string) => ids.get(table) ?? ids.set(table, uuidv7()).get(table) ?? '';
    const ids = new Map<string, string>();
    const name = accountId === SHE ? 'ada' : 'bob';
    const key = randomBytes(32);
    const own = (context: string, plain: string) => sealUnder(key, plain, context);
    const where = JSON.stringify({ address: `${name}-network`, browser: `${name}-browser` });
    const from = JSON.stringify({ device: `${name}-browser`, address: `${name}-network` });
    const change = (value: unknown) =>
      keyring.seal('profile-change', JSON.stringify([accountId, id('profile_changes'), value]));
    return {
      'accounts.id': accountId,
      'accounts.state': 'active',
      'accounts.language': 'de',
      'subject_keys.sealed': keyring.seal('subject-key', JSON.stringify([accountId, key.toString('base64')])),
      'mailbox.to_address': `${name}@example.org`,
      'email_addresses.address': `${name}@example.org`,
      'device_codes.user_code': accountId.slice(-8),
      'profile_attributes.attribute': 'picture',
      'profile_attributes.value': JSON.stringify(`${name} lovelace`),
      'profile_attributes.source': 'person',
      'profile_changes.id': id('profile_changes'),
      'profile_changes.value': change(`${name} next`),
      'profile_changes.value_before': change({ value: `${name} before` }),
      'profile_pictures.attribute': 'picture',
      'corrections.id': id('corrections'),
      'corrections.wish': keyring.seal('correction', JSON.stringify([id('corrections'), `${name} wish`])),
      'rights_requests.id': id('rights_requests'),
      ...Object.fromEntries(
        ['words', 'answer', 'extended_because'].map(column => [
          `rights_requests.${column}`,
          keyring.seal('rights', JSON.stringify([id('rights_requests'), `${name} ${column}`])),
        ]),
      ),
      'rights_mandates.id': id('rights_mandates'),
      'rights_mandates.agent': keyring.seal(
        'rights',
        JSON.stringify([id('rights_mandates'), `${name} agent`]),
      ),
      'contact_changes.asked_from': keyring.seal('contact-change', from),
      'contact_changes.before': '[]',
      'email_proofs.asked_from': from,
      'objections.asked_from': keyring.seal('objection', from),
      'recoveries.asked_from': keyring.seal('recovery', from),
      'moves.started_from': keyring.seal('move-whence', from),
      'moves.claimed_from': keyring.seal('move-whence', from),
      'messages.id': id('messages'),
      'messages.sealed': own(id('messages'), JSON.stringify([`${name}-to`, `${name}-subject`])),
      'remembered_browsers.id': id('remembered'),
      'remembered_browsers.sealed': own(`remembered ${id('remembered')}`, where),
      'federated_sessions.id': id('federated'),
      'federated_sessions.sealed': own(
        `federated-session ${id('federated')}`,
        JSON.stringify({ nameId: { value: name } }),
      ),
      'federated_links.id': id('federated'),
      'federated_links.sealed': own(
        `federated-link ${id('federated')}`,
        JSON.stringify({ claims: { name } }),
      ),
      'sessions.uid': `${name}-session`,
      'sessions.origin': own(`session ${name}-session`, where),
      'sessions.authorizations': JSON.stringify({ shop: {} }),
      'events.id': id('events'),
      'events.actor_kind': 'operator',
      'events.actor_id': HE,
      'events.sealed': own(id('events'), where),
      'consent_subjects.subject': id('subject'),
      'consent_ledger.subject': id('subject'),
      'consent_ledger.wording': null,
      'consent_ledger.controllers': '[]',
      'consent_ledger.recipients': '[]',
      'exports.scope': 'access',
      'exports.state': 'failed',
    };
  };
  const withAccount = await database.db('information_schema.columns').where({ table_schema: 'public' });
  const there = new Set(withAccount.map(row => String(row.table_name)));
  const about = Object.keys(tables).filter(table => there.has(table) && table !== 'consent_orphans');
  let count = 0;
  const also = (column: string, type: string) => {
    count += 1;
    const [table = '', name = ''] = column.split('.');
    const secret = unpromised.some(one => one.table === table && one.column === name);
    if (/^timestamp/.test(type)) return new Date(1_700_000_000_000 + count * 1000);
    if (type === 'bytea') return marked(column, randomBytes(24), secret);
    if (type === 'text' && secret) return marked(column, `kept-back-${column}-${count}`, true);
    if (type === 'text') return `${column} ${count}`;
    if (type === 'uuid') return uuidv7();
    if (type === 'jsonb') return JSON.stringify({ [column]: count });
    if (type.endsWith('[]')) return type === 'text[]' ? [`${column}`] : [];
    if (/int/.test(type)) return type === 'smallint' ? 3 : count;
    return type === 'boolean' ? true : undefined;
  };
  const marked = <T extends string | Buffer>(column: string, value: T, secret: boolean): T => {
    if (secret) {
      const ways = ['hex', 'base64', 'base64url'] as const;
      const all = typeof value === 'string' ? [value] : ways.map(way => value.toString(way));
      kept.set(column, [...(kept.get(column) ?? []), ...all]);
    }
    return value;
  };
  await fillTables(
    database.migrationUrl,
    ['accounts', ...about.filter(table => table !== 'accounts')],
    [SHE, HE].map(accountId => ({ accountId, columns: columns(accountId) })),
    also,
  );
}

const jsonIn = (scope: ExportScope, file: string): readonly Readonly<Record<string, unknown>>[] =>
  JSON.parse(copies.get(scope)?.get(`data/${file}.json`)?.toString() ?? 'null');

test('every column of every table about people says in which file of a copy it stands, or why in none', () => {
  const differences = Object.keys(tables).flatMap(table => {
    const held = Object.values(tables[table] ?? {}).flatMap(columns => columns.split(' '));
    const ruled = Object.values(exported[table] ?? {}).flatMap(columns => columns.split(' '));
    return [
      ...held.filter(column => !ruled.includes(column)).map(column => `${table}.${column} has no rule`),
      ...ruled.filter(column => !held.includes(column)).map(column => `${table}.${column} is gone`),
      ...ruled.filter((column, at) => ruled.indexOf(column) < at).map(column => `${table}.${column} twice`),
    ];
  });
  expect(differences).toEqual([]);
});

test('a file reads the columns that are promised of it and no other', () => {
  const read = files.flatMap(({ name, holds }) =>
    Object.entries(holds).flatMap(([table, columns]) =>
      Object.keys(columns).map(column => `${name}: ${table}.${column}`),
    ),
  );
  const wanted = promised.map(({ table, column, file }) => `${file}: ${table}.${column}`);
  /* The account says when its key was made, and the ledger under which name it is kept. */
  const elsewhere = ['account: subject_keys.made_at', 'consent-ledger: consent_subjects.subject'];
  expect(wanted.filter(one => !read.includes(one) && !elsewhere.includes(one))).toEqual([]);
  const extra = read.filter(one => !wanted.includes(one));
  const made = ['account: accounts.personal_key_made_at', 'history: events.from'];
  expect(extra.sort()).toEqual([...made, 'pictures: profile_pictures.file']);
});

test('each of them is in a real copy of somebody who has something everywhere', () => {
  const missing = promised.filter(({ table, column, file }) => {
    const holds = files.find(({ name }) => name === file)?.holds[table];
    const members = holds?.[column] ?? [column];
    const rows = jsonIn('access', file) ?? [];
    return !members.every(member => rows.some(row => row[member] !== null && row[member] !== undefined));
  });
  const told = missing.map(({ table, column, file }) => `${file}: ${table}.${column}`).sort();
  expect(told).toEqual([
    'account: subject_keys.made_at',
    /* There is no wording of what was made up. */
    'consent-ledger: consent_ledger.wording',
  ]);
  expect(jsonIn('access', 'account')[0]).toHaveProperty('personal_key_made_at', expect.any(String));
  expect(copies.get('access')?.get('pictures/picture.jpg')?.length).toBe(24);
  expect(copies.get('access')?.has(`receipts/${jsonIn('access', 'consent-ledger')[0]?.['id']}.jws`)).toBe(
    true,
  );
});

test('what is sealed is opened for its person', () => {
  const where = { device: 'ada-browser', address: 'ada-network' };
  const opened = [
    ['corrections', 'wish', 'ada wish'],
    ['rights-requests', 'words', 'ada words'],
    ['rights-mandates', 'agent', 'ada agent'],
    ['profile-changes', 'value', 'ada next'],
    ['messages', 'to', 'ada-to'],
    ['history', 'from', where],
    ['sessions', 'origin', where],
    ['remembered-browsers', 'remembered_from', where],
    ['contact-changes', 'asked_from', where],
    ['codes-sent', 'asked_from', where],
    ['notices', 'asked_from', where],
    ['lost-phones', 'asked_from', where],
    ['phone-moves', 'claimed_from', where],
  ] as const;
  for (const [file, member, value] of opened) {
    expect([file, jsonIn('access', file).at(-1)?.[member]]).toEqual([file, value]);
  }
});

test('whoever acted and is not the person is told by their role alone', () => {
  const acted = jsonIn('access', 'history').map(({ actor_kind, actor_id }) => [actor_kind, actor_id]);
  expect(acted).toContainEqual(['operator', null]);
  expect(acted).toContainEqual(['person', SHE]);
});

test('no secret is in a copy, and nothing of anybody else', () => {
  expect(kept.size).toBeGreaterThan(40);
  for (const [scope, copy] of copies) {
    for (const [path, bytes] of copy) {
      const text = bytes.toString('latin1');
      for (const [column, values] of kept) {
        expect({ scope, path, column, there: values.some(value => text.includes(value)) }).toEqual({
          scope,
          path,
          column,
          there: false,
        });
      }
      expect({ scope, path, others: /bob|00000000000b/.test(text) }).toEqual({ scope, path, others: false });
    }
  }
});

test('each file is what its schema says, by a validator that is not ours', async () => {
  const ajv = new Ajv2020({ strict: true, allErrors: true });
  formats.default(ajv);
  for (const [scope, copy] of copies) {
    const named = [...copy.keys()].filter(path => path.startsWith('data/'));
    expect(named.length).toBeGreaterThan(scope === 'access' ? 30 : 6);
    for (const path of named) {
      const name = path.replace(/^data\/(.*)\.json$/, '$1');
      const schema = JSON.parse(copy.get(`schema/${name}.schema.json`)?.toString() ?? '{}');
      expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
      const { $id: _, ...rest } = schema;
      const validate = ajv.compile(rest);
      const rows = JSON.parse(copy.get(path)?.toString() ?? 'null');
      expect({ path, valid: validate(rows), errors: validate.errors ?? [] }).toEqual({
        path,
        valid: true,
        errors: [],
      });
      expect({ path, one: validate([{ made_up: 1 }]) }).toEqual({ path, one: false });
    }
  }
});

test('what somebody may take elsewhere is what they gave, held on contract or consent', () => {
  const names = [...(copies.get('portability')?.keys() ?? [])].flatMap(
    path => /^data\/(.*)\.json$/.exec(path)?.[1] ?? [],
  );
  expect(names.sort()).toEqual([
    'choices',
    'consents',
    'email-addresses',
    'phone-numbers',
    'pictures',
    'profile',
    'topics',
  ]);
  expect(jsonIn('portability', 'profile')[0]).toMatchObject({ attribute: 'picture', value: 'ada lovelace' });
});

test('every kind of thing that a copy holds has words on the page that a person reads', () => {
  const named: readonly string[] = Object.values(EXPORT_GROUPS).flat();
  expect(files.map(({ name }) => name).filter(name => !named.includes(name))).toEqual([]);
  expect(named.filter(name => name !== 'choices' && !files.some(file => file.name === name))).toEqual([]);
  const page = copies.get('access')?.get('index.html')?.toString() ?? '';
  expect(page).toContain('<html lang="de" dir="ltr">');
  expect(page).toContain('ada@example.org');
  expect(page).not.toMatch(/<script|https?:\/\/(?!id\.example\.test<)/);
  const linked = [...page.matchAll(/href="([^"]+)"/g)].map(([, href]) => href);
  expect(linked.filter(href => !copies.get('access')?.has(String(href)))).toEqual([]);
});
