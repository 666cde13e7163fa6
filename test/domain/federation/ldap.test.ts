import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { ldapProtocol } from '../../../src/domain/federation/protocols/ldap.js';
import { guidOf } from '../../../src/domain/federation/protocols/ldap-entry.js';
import { mappingSchema } from '../../../src/domain/federation/provider.js';
import type { Upstream, UpstreamIdentity, UpstreamTrouble } from '../../../src/domain/federation/upstream.js';
import { BASE, inhabitant, openDirectory, type TestDirectory } from '../../support/directory.js';

const PASSWORD = 'correct horse';
const open: TestDirectory[] = [];

afterEach(async () => {
  for (const directory of open.splice(0)) await directory.close();
});

async function opened(by?: Parameters<typeof openDirectory>[0]): Promise<TestDirectory> {
  const directory = await openDirectory(by);
  open.push(directory);
  directory.people.push(inhabitant('ada', PASSWORD, { givenName: 'Ada', sn: 'Lovelace' }));
  return directory;
}

/** The directory as a provider is set up with it. */
function upstreamTo(directory: TestDirectory, more: object = {}): Upstream {
  const settings = ldapProtocol.settings.parse({
    urls: [`ldap://localhost:${directory.port}`],
    plain_on_loopback: true,
    bind_dn: directory.bindDn,
    base: directory.base,
    timeout: 10_000,
    ...more,
  });
  const attributes = { given_name: { from: 'givenName' }, family_name: { from: 'sn' } };
  const mapping = mappingSchema.parse({ attributes });
  return {
    provider: { id: 'acme', kind: 'ldap', settings, mapping },
    secrets: { bind_password: directory.bindPassword },
    guard: (ask: () => Promise<unknown>) => ask(),
  } as unknown as Upstream;
}

const prove = (
  upstream: Upstream,
  address = 'ada@acme.test',
  password = PASSWORD,
): Promise<UpstreamIdentity> => ldapProtocol.prove(upstream, { address, password });

const troubleOf = async (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'none',
    (error: UpstreamTrouble) => `${error.kind} ${error.reason}`,
  );

test('the right password of one entry says who it is: by what never changes, and no address as proved', async () => {
  const upstream = upstreamTo(await opened());
  expect(await prove(upstream)).toEqual({
    subject: '00000000-0000-4000-8000-6164612d2d2d',
    email: { address: 'ada@acme.test', verified: false },
    claims: { givenName: 'Ada', sn: 'Lovelace' },
    amr: ['pwd'],
  });
});

test('a wrong password, nobody and two of one address are refused alike, each after a bind with what was typed', async () => {
  const directory = await opened();
  directory.people.push(inhabitant('twin', PASSWORD, { mail: 'both@acme.test' }));
  directory.people.push(inhabitant('other', PASSWORD, { mail: 'both@acme.test' }));
  const upstream = upstreamTo(directory);
  const binds = () =>
    directory.asked.splice(0).filter(({ what, dn }) => what === 'bind' && dn !== directory.bindDn);
  expect(await troubleOf(prove(upstream, 'ada@acme.test', 'wrong'))).toBe('refused password_wrong');
  expect(binds().map(({ password }) => password)).toEqual(['wrong']);
  expect(await troubleOf(prove(upstream, 'nobody@acme.test', 'wrong'))).toBe('refused no_entry');
  expect(binds()).toEqual([
    { what: 'bind', dn: expect.stringMatching(/^cn=.{12},dc=acme,dc=test$/), password: 'wrong' },
  ]);
  expect(await troubleOf(prove(upstream, 'both@acme.test'))).toBe('refused several_entries');
  expect(binds()).toHaveLength(1);
});

test('RFC 4513 §5.1.2: an empty password never leaves, though this directory would let it in', async () => {
  const directory = await opened();
  expect(await troubleOf(prove(upstreamTo(directory), 'ada@acme.test', ''))).toBe('refused password_empty');
  expect(directory.connections()).toBe(0);
});

test('an entry without a name is not bound as: this directory would say yes to nobody', async () => {
  const directory = await opened();
  directory.people.push({ ...inhabitant('blank', PASSWORD), dn: '' });
  const upstream = upstreamTo(directory);
  expect(await troubleOf(prove(upstream, 'blank@acme.test'))).toBe('refused password_wrong');
  expect(await troubleOf(prove(upstream, 'blank@acme.test', 'wrong'))).toBe('refused password_wrong');
});

test.each([
  '*',
  '*@acme.test',
  'ada*',
  'ada@acme.test)(uid=*',
  '*)(objectClass=*',
  'ada@acme.test\u0000',
  '\\2a',
  '\\',
  'ada@acme.test)(|(uid=ada',
])('what is typed is a value and never a filter: %j finds nobody', async typed => {
  const directory = await opened();
  expect(await troubleOf(prove(upstreamTo(directory), typed))).toBe('refused no_entry');
});

test('a value with brackets, stars and letters of other scripts finds who has exactly that', async () => {
  const directory = await opened();
  directory.people.push(inhabitant('odd', PASSWORD, { mail: 'jo*(h)n\\é@acme.test' }));
  expect(await prove(upstreamTo(directory), 'jo*(h)n\\é@acme.test')).toMatchObject({
    email: { address: 'jo*(h)n\\é@acme.test' },
  });
});

test('whom the operator’s filter leaves out, or who stands elsewhere, is nobody', async () => {
  const directory = await opened();
  directory.people.push(inhabitant('robot', PASSWORD, { objectClass: ['device'] }));
  const upstream = upstreamTo(directory);
  expect(await troubleOf(prove(upstream, 'robot@acme.test'))).toBe('refused no_entry');
  const elsewhere = upstreamTo(directory, { base: `ou=elsewhere,${BASE}` });
  expect(await troubleOf(prove(elsewhere))).toBe('refused no_entry');
});

test('who signs in by a name is looked for by what stands before the @', async () => {
  const directory = await opened();
  const upstream = upstreamTo(directory, { login: ['uid'], login_is: 'name' });
  expect(await prove(upstream, 'ada@anywhere.test')).toMatchObject({ email: { address: 'ada@acme.test' } });
  expect(await troubleOf(prove(upstream, 'a*@anywhere.test'))).toBe('refused no_entry');
});

const SAYS = (data: string) =>
  `80090308: LdapErr: DSID-0C090, comment: AcceptSecurityContext error, data ${data}, v4563`;

test.each([
  ['525', 'password_wrong'],
  ['52e', 'password_wrong'],
  ['775', 'password_wrong'],
  ['530', 'not_now'],
  ['531', 'not_now'],
  ['532', 'password_expired'],
  ['533', 'disabled'],
  ['701', 'expired'],
  ['773', 'password_expired'],
  ['7', 'password_wrong'],
])(
  'Active Directory: data %s is %s, and only what takes the right password is told apart',
  async (data, reason) => {
    const directory = await opened();
    directory.people.push({ ...inhabitant('bob', PASSWORD), says: SAYS(data) });
    const upstream = upstreamTo(directory);
    expect(await troubleOf(prove(upstream, 'bob@acme.test'))).toBe(`refused ${reason}`);
    expect(await troubleOf(prove(upstream, 'bob@acme.test', 'wrong'))).toBe('refused password_wrong');
  },
);

test.each([
  [{ userAccountControl: '514' }, 'disabled'],
  [{ userAccountControl: '512', 'msDS-User-Account-Control-Computed': '8388608' }, 'password_expired'],
  [{ nsAccountLock: 'true' }, 'disabled'],
  [{ pwdReset: 'TRUE' }, 'password_expired'],
])(
  'an entry that says %j about itself is let in nowhere, and only after its password was right',
  async (more, reason) => {
    const directory = await opened();
    directory.people.push(inhabitant('bob', PASSWORD, more as Record<string, string>));
    const upstream = upstreamTo(directory);
    expect(await troubleOf(prove(upstream, 'bob@acme.test'))).toBe(`refused ${reason}`);
    expect(await troubleOf(prove(upstream, 'bob@acme.test', 'wrong'))).toBe('refused password_wrong');
  },
);

test('objectGUID is sixteen bytes, written as Active Directory writes them', async () => {
  const bytes = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
  expect(guidOf(bytes)).toBe('33221100-5544-7766-8899-aabbccddeeff');
  expect(guidOf(bytes.subarray(1))).toBeUndefined();
  const directory = await opened();
  directory.people.push(inhabitant('gu', PASSWORD, { objectGUID: bytes }));
  const upstream = upstreamTo(directory, { subject: 'objectGUID' });
  expect((await prove(upstream, 'gu@acme.test')).subject).toBe('33221100-5544-7766-8899-aabbccddeeff');
  expect(await troubleOf(prove(upstream))).toBe('untrue subject');
});

test('a subject that an entry has twice, or not at all, is nobody’s', async () => {
  const directory = await opened();
  directory.people.push(inhabitant('dup', PASSWORD, { employeeNumber: ['1', '2'] }));
  const upstream = upstreamTo(directory, { subject: 'employeeNumber' });
  expect(await troubleOf(prove(upstream, 'dup@acme.test'))).toBe('untrue subject');
  expect(await troubleOf(prove(upstream))).toBe('untrue subject');
});

test('groups: of the entry or by a search as ourselves; who is in none of those that are asked for is refused', async () => {
  const directory = await opened();
  const ada = `uid=ada,ou=people,${BASE}`;
  const staff = `cn=Staff,ou=groups,${BASE}`;
  directory.people.push({
    dn: staff,
    password: '',
    attributes: { objectClass: ['groupOfNames'], cn: 'Staff', member: [ada] },
  });
  directory.people.push(inhabitant('bob', PASSWORD, { memberOf: [`cn=guests,${BASE}`] }));
  const bySearch = {
    groups: { by: 'search', base: `ou=groups,${BASE}` },
    only_groups: [staff.toLowerCase().replace(/,/g, ' , ')],
  };
  expect((await prove(upstreamTo(directory, bySearch))).claims['groups']).toEqual([
    expect.stringMatching(/^cn=Staff,\s?ou=groups/),
  ]);
  expect(directory.asked.map(({ dn }) => dn)).toEqual(
    [directory.bindDn, BASE, ada, directory.bindDn, `ou=groups,${BASE}`].map(dn =>
      expect.stringMatching(new RegExp(`^${dn.replaceAll(',', ',\\s?')}$`)),
    ),
  );
  expect(await troubleOf(prove(upstreamTo(directory, bySearch), 'bob@acme.test'))).toBe(
    'refused not_in_group',
  );
  const byEntry = { groups: { by: 'entry' }, only_groups: [`cn=guests,${BASE}`] };
  expect((await prove(upstreamTo(directory, byEntry), 'bob@acme.test')).claims['groups']).toEqual([
    `cn=guests,${BASE}`,
  ]);
  expect(await troubleOf(prove(upstreamTo(directory, byEntry)))).toBe('refused not_in_group');
});

test.each(['ldaps', 'start-tls'] as const)(
  '%s: the certificate is checked, by the file that the operator names',
  async by => {
    const directory = await opened(by);
    const ca = join(mkdtempSync(join(tmpdir(), 'keyhold-ldap-')), 'ca.pem');
    writeFileSync(ca, directory.cert ?? '');
    const url = `${by === 'ldaps' ? 'ldaps' : 'ldap'}://localhost:${directory.port}`;
    const settings = { urls: [url], start_tls: by === 'start-tls', plain_on_loopback: false };
    expect(await prove(upstreamTo(directory, { ...settings, ca_file: ca }))).toMatchObject({
      claims: { sn: 'Lovelace' },
    });
    directory.asked.splice(0);
    expect(await troubleOf(prove(upstreamTo(directory, settings)))).toBe('unreachable no_answer');
    const byAddress = { ...settings, urls: [url.replace('localhost', '127.0.0.1')], ca_file: ca };
    expect(await troubleOf(prove(upstreamTo(directory, byAddress)))).toBe('unreachable no_answer');
    const none = { ...settings, ca_file: '/nowhere/ca.pem' };
    expect(await troubleOf(prove(upstreamTo(directory, none)))).toBe('unreachable ca_file');
    expect(directory.asked).toEqual([]);
  },
);

test('StartTLS: a word more in the clear ends it, and what is lost after it is not connected anew in the clear', async () => {
  const directory = await opened('start-tls');
  const ca = join(mkdtempSync(join(tmpdir(), 'keyhold-ldap-')), 'ca.pem');
  writeFileSync(ca, directory.cert ?? '');
  const upstream = upstreamTo(directory, { start_tls: true, plain_on_loopback: false, ca_file: ca });
  directory.behave('talking');
  expect(await troubleOf(prove(upstream))).toBe('unreachable no_answer');
  expect(directory.asked).toEqual([]);
  directory.behave('hanging-up');
  const before = directory.connections();
  expect(await troubleOf(prove(upstream))).toMatch(/^unreachable/);
  expect(directory.connections()).toBe(before + 1);
});

test('a directory that is silent, busy, endless or gone is an outage, in the time that it has', async () => {
  const directory = await opened('ldaps');
  const ca = join(mkdtempSync(join(tmpdir(), 'keyhold-ldap-')), 'ca.pem');
  writeFileSync(ca, directory.cert ?? '');
  const settings = { urls: [`ldaps://localhost:${directory.port}`], ca_file: ca };
  directory.behave('silent');
  expect(await troubleOf(prove(upstreamTo(directory, { ...settings, timeout: 500 })))).toMatch(
    /^unreachable/,
  );
  const upstream = upstreamTo(directory, settings);
  for (const how of ['busy', 'huge'] as const) {
    directory.behave(how);
    expect([how, await troubleOf(prove(upstream))]).toEqual([how, expect.stringMatching(/^unreachable/)]);
  }
  directory.behave('well');
  expect(await prove(upstream)).toMatchObject({ amr: ['pwd'] });
  await directory.close();
  expect(await troubleOf(prove(upstream))).toBe('unreachable no_answer');
});

test('of several servers the first that answers is asked', async () => {
  const directory = await opened();
  const urls = ['ldap://localhost:1', `ldap://localhost:${directory.port}`];
  expect(await prove(upstreamTo(directory, { urls }))).toMatchObject({ amr: ['pwd'] });
});

test('a bind of ourselves that is refused, or has no password, is an outage and tells nobody anything', async () => {
  const directory = await opened();
  const upstream = upstreamTo(directory);
  const wrong = { ...upstream, secrets: { bind_password: 'wrong' } };
  expect(await troubleOf(prove(wrong))).toBe('unreachable bind_refused');
  expect(await troubleOf(prove({ ...upstream, secrets: {} }))).toBe('unreachable bind_password');
});

test.each([
  [{ urls: ['ldap://directory.acme.test'] }, 'clear'],
  [{ urls: ['ldap://directory.acme.test'], plain_on_loopback: true }, 'clear'],
  [{ urls: ['ldap://localhost'] }, 'clear'],
  [{ urls: ['http://localhost'] }, 'ldaps://HOST'],
  [{ urls: ['ldaps://user@localhost'] }, 'ldaps://HOST'],
  [{ urls: ['ldaps://localhost/dc=acme'] }, 'ldaps://HOST'],
  [{ urls: [] }, '>=1'],
  [{ filter: 'objectClass=person' }, 'brackets'],
  [{ login: ['mail)(uid=*'] }, 'name of an attribute'],
  [{ ca_file: 'ca.pem' }, 'whole path'],
  [{ only_groups: ['cn=x'] }, 'groups'],
  [{ surprise: true }, 'Unrecognized'],
])('settings that cannot be meant are refused: %j', (more, why) => {
  const good = { urls: ['ldaps://directory.acme.test'], bind_dn: 'cn=x', base: 'dc=x' };
  expect(ldapProtocol.settings.safeParse(good).success).toBe(true);
  const read = ldapProtocol.settings.safeParse({ ...good, ...more });
  expect(read.error?.issues.map(({ message }) => message).join()).toContain(why);
});
