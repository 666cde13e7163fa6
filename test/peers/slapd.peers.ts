import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ldapProtocol } from '../../src/domain/federation/protocols/ldap.js';
import { mappingSchema } from '../../src/domain/federation/provider.js';
import type { Upstream, UpstreamIdentity, UpstreamTrouble } from '../../src/domain/federation/upstream.js';
import { until } from '../support/jobs.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold } from '../support/keyhold.js';
import { openRelyingParty } from '../support/relying-party.js';
import { type Slapd, startSlapd } from '../support/slapd.js';
import { toPassword } from '../support/steps.js';
import { claimDomain, declareProvider } from '../support/upstream.js';

// OpenLDAP itself, as Debian ships it: what ours says is understood there, and what it says is understood here.

const PASSWORD = 'correct horse battery';
const UUID = '0d9f7a52-64b1-4c1e-9f0a-3f1d2c5b6a70';
const BASE = 'dc=acme,dc=test';
const person = (uid: string, more = '') => `dn: uid=${uid},ou=people,${BASE}
objectClass: inetOrgPerson
uid: ${uid}
cn: ${uid}
sn: Lovelace
givenName: Ada
mail: ${uid}@acme.test
userPassword: ${PASSWORD}
${more}
`;

let slapd: Slapd;

beforeAll(async () => {
  slapd = await startSlapd(
    [
      ...['people', 'groups'].map(ou => `dn: ou=${ou},${BASE}\nobjectClass: organizationalUnit\nou: ${ou}\n`),
      person('ada', `entryUUID: ${UUID}`),
      person('locked'),
      person('twin', 'mail: both@acme.test'),
      person('other', 'mail: both@acme.test'),
      person('odd', 'mail: jo*(h)n@acme.test'),
      person('reset', 'pwdReset: TRUE'),
      `dn: cn=staff,ou=groups,${BASE}\nobjectClass: groupOfNames\ncn: staff\nmember: uid=ada,ou=people,${BASE}\n`,
    ].join('\n'),
  );
});

afterAll(() => slapd?.close());

const settingsOf = (more: object = {}) => ({
  urls: [slapd.secureUrl],
  ca_file: slapd.caFile,
  bind_dn: slapd.bindDn,
  base: slapd.base,
  ...more,
});

function upstream(more: object = {}): Upstream {
  const settings = ldapProtocol.settings.parse(settingsOf(more));
  const mapping = mappingSchema.parse({ attributes: { given_name: { from: 'givenName' } } });
  return {
    provider: { id: 'acme', kind: 'ldap', settings, mapping },
    secrets: { bind_password: slapd.bindPassword },
    guard: (ask: () => Promise<unknown>) => ask(),
  } as unknown as Upstream;
}

const prove = (more: object, uid = 'ada', password = PASSWORD): Promise<UpstreamIdentity> =>
  ldapProtocol.prove(upstream(more), { address: uid.includes('@') ? uid : `${uid}@acme.test`, password });
const troubleOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'none',
    (error: UpstreamTrouble) => `${error.kind} ${error.reason}`,
  );

test.each(['ldaps', 'StartTLS'])('%s: the right password says who it is, by entryUUID', async by => {
  const more = by === 'ldaps' ? {} : { urls: [slapd.url], start_tls: true };
  expect(await prove(more)).toEqual({
    subject: UUID,
    email: { address: 'ada@acme.test', verified: false },
    claims: { givenName: 'Ada' },
    amr: ['pwd'],
  });
  expect(await troubleOf(prove({ ...more, ca_file: undefined }))).toBe('unreachable no_answer');
});

test('in the clear it lets nobody bind, and that is an outage', async () => {
  const clear = { urls: [slapd.url], plain_on_loopback: true };
  expect(await troubleOf(prove(clear))).toMatch(/^unreachable/);
});

test('a wrong password, nobody, two of them and an empty password get nowhere', async () => {
  expect(await troubleOf(prove({}, 'ada', 'wrong'))).toBe('refused password_wrong');
  expect(await troubleOf(prove({}, 'nobody'))).toBe('refused no_entry');
  expect(await troubleOf(prove({}, 'both@acme.test'))).toBe('refused several_entries');
  expect(await troubleOf(prove({}, 'ada', ''))).toBe('refused password_empty');
});

test.each(['*', 'a*', 'ada@acme.test)(uid=*', '*)(objectClass=*', '\\2a', '\u0000'])(
  'what is typed is no filter: %j finds nobody',
  async typed => {
    expect(await troubleOf(ldapProtocol.prove(upstream(), { address: typed, password: PASSWORD }))).toBe(
      'refused no_entry',
    );
  },
);

test('who has stars and brackets in their address is found by exactly that', async () => {
  expect((await prove({}, 'jo*(h)n@acme.test')).amr).toEqual(['pwd']);
});

test('one that the directory has locked looks like a wrong password, also with the right one', async () => {
  for (let count = 0; count < 3; count++) await troubleOf(prove({}, 'locked', 'wrong'));
  expect(await troubleOf(prove({}, 'locked'))).toBe('refused password_wrong');
});

test('a password that has to be changed there is said to whoever knows it', async () => {
  expect(await troubleOf(prove({}, 'reset'))).toBe('refused password_expired');
  expect(await troubleOf(prove({}, 'reset', 'wrong'))).toBe('refused password_wrong');
});

test('groups are looked for as ourselves, and only who is in one gets in', async () => {
  const staff = `cn=staff,ou=groups,${BASE}`;
  const groups = { groups: { by: 'search', base: `ou=groups,${BASE}` }, only_groups: [staff.toUpperCase()] };
  expect((await prove(groups)).claims['groups']).toEqual([staff]);
  expect(await troubleOf(prove(groups, 'twin'))).toBe('refused not_in_group');
});

test('a whole sign-in, from the address to the app', async () => {
  const keyhold = await startKeyhold();
  const app = await openRelyingParty(keyhold, { first_party: true });
  await declareProvider(keyhold, {
    id: 'acme',
    kind: 'ldap',
    name: 'Acme',
    settings: settingsOf(),
    secrets: { bind_password: slapd.bindPassword },
  });
  await claimDomain(keyhold, 'acme.test', 'acme');
  const ada = personAt(keyhold);
  await until(async () => {
    await toPassword(ada, app, 'ada@acme.test');
    return ada.page.heading === 'Sign in with Acme';
  });
  ada.fill('Your password at Acme', PASSWORD);
  await ada.press('Sign in');
  ada.tick('I accept the terms');
  await ada.press('Create account');
  expect(ada.page.heading).toBe('Back in the app');
  await app.close();
  await keyhold.close();
});
