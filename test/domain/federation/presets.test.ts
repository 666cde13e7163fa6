import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { readDeclared } from '../../../src/domain/federation/declared.js';
import { completed } from '../../../src/domain/federation/presets/completing.js';
import type { Payload, Preset } from '../../../src/domain/federation/presets/preset.js';
import { PRESETS } from '../../../src/domain/federation/presets/presets.js';
import { sample } from './samples.js';

const FOLDER = new URL('../../../../test/domain/federation/samples/', import.meta.url);

function preset(name: string): Preset {
  const found = PRESETS.get(name);
  if (!found) throw new Error(`there is no preset ${name}`);
  return found;
}

const idToken = (name: string): Payload => sample(name).id_token ?? {};

test('every sample names the page of its vendor that it was taken from', () => {
  const names = readdirSync(fileURLToPath(FOLDER)).map(file => file.replace(/\.json$/, ''));
  expect(names.length).toBeGreaterThan(9);
  for (const name of names) expect(new URL(sample(name).source).protocol).toBe('https:');
});

test('every preset has a logo of ours, a button word, the pages it is made after, and https addresses', () => {
  const assets = readdirSync(fileURLToPath(new URL('../../../../views/assets/', import.meta.url)));
  for (const [, each] of PRESETS) {
    expect(assets).toContain(each.logo);
    expect(each.name).not.toBe('');
    for (const address of [...addressesIn(completed(each, {})), ...each.documented]) {
      expect(address).toMatch(/^https:\/\/[a-z.]+\//);
    }
    expect(each.documented.length).toBeGreaterThan(0);
  }
});

const addressesIn = (value: unknown): readonly string[] =>
  typeof value === 'string'
    ? value.includes('://')
      ? [`${value}/`]
      : []
    : Object.values(value ?? {}).flatMap(addressesIn);

test.each([...PRESETS.keys()])(
  '%s is whole as soon as an operator gives what the vendor gave them',
  async name => {
    const apple = { team_id: 'TEAM123456', key_id: 'KEY1234567' };
    const settings = { client_id: 'ours', ...(name === 'apple' && { apple }) };
    const { id, kind, preset: made } = readDeclared({ id: 'one', preset: name, settings });
    expect({ id, kind, made }).toEqual({ id: 'one', kind: preset(name).kind, made: name });
    expect(() => readDeclared({ id: 'one', preset: name, settings: { ...settings, clientid: 'x' } })).toThrow(
      /clientid/,
    );
  },
);

test('a sign-in at LinkedIn is the only one that neither PKCE nor a nonce binds', () => {
  const unbound = [...PRESETS].filter(([, each]) => {
    const { bound_by: by = ['pkce', 'nonce'] } = completed(each, {});
    return Array.isArray(by) && by.length === 0;
  });
  expect(unbound.map(([name]) => name)).toEqual(['linkedin']);
});

test('Google and Microsoft are told a domain and a tenant, and nothing else by those names', () => {
  const google = completed(preset('google'), { client_id: 'ours', hosted_domain: 'firm.example' });
  expect(google).toMatchObject({ parameters: { hd: 'firm.example' }, require: { hd: ['firm.example'] } });
  const microsoft = (tenant?: string) =>
    completed(preset('microsoft'), tenant === undefined ? {} : { tenant })['issuer'];
  expect(microsoft()).toBe('https://login.microsoftonline.com/common/v2.0');
  expect(microsoft('organizations')).toBe('https://login.microsoftonline.com/organizations/v2.0');
  for (const tenant of ['', '../x', 'a/b', 'a b', '.x']) expect(microsoft(tenant)).toBeUndefined();
});

test('Google: the documented ID token gives who it is; its text "true" proves no address', () => {
  const { subjectOf, emailOf } = preset('google');
  expect(subjectOf(idToken('google'))).toBe('10769150350006150715113082367');
  expect(emailOf(idToken('google'))).toEqual({ address: 'jsmith@example.com', verified: false });
  expect(emailOf(idToken('google-boolean'))).toEqual({ address: 'jsmith@example.com', verified: true });
});

test('C01: Google proves the addresses whose mailboxes it runs, and no other', () => {
  const { emailOf } = preset('google');
  const proven = (payload: Payload) => emailOf({ email_verified: true, ...payload })?.verified;
  expect(proven({ email: 'ann@gmail.com' })).toBe(true);
  expect(proven({ email: 'ann@firm.example', hd: 'firm.example' })).toBe(true);
  expect(proven({ email: 'ann@firm.example' })).toBe(false);
  expect(proven({ email: 'ann@firm.example', hd: '' })).toBe(false);
  expect(proven({ email: 'ann@gmail.com.evil.example' })).toBe(false);
  expect(proven({ email: 'ann@notgmail.com' })).toBe(false);
  expect(proven({ email: 'ann@gmail.com', email_verified: 'true' })).toBe(false);
});

test('Apple: both of its documented spellings of true prove an address, and nothing else does', () => {
  const { subjectOf, emailOf } = preset('apple');
  expect(subjectOf(idToken('apple'))).toBe('001234.abcd1234abcd1234abcd1234abcd1234.1234');
  const told = { address: 'dpdcnf87nu@privaterelay.appleid.com', verified: true };
  expect(emailOf(idToken('apple'))).toEqual(told);
  expect(emailOf({ ...idToken('apple'), email_verified: true })).toEqual(told);
  for (const lie of ['TRUE', 'True', ' true', 'false', '1', 1, {}, ['true'], null, undefined, false]) {
    expect(emailOf({ ...idToken('apple'), email_verified: lie })?.verified).toBe(false);
  }
});

test('Microsoft: the documented ID token is told apart by its tenant and the person in it', () => {
  const { subjectOf, emailOf } = preset('microsoft');
  expect(subjectOf(idToken('microsoft'))).toBe(
    '9122040d-6c67-4c5b-b112-36a304b66dad/00000000-0000-0000-66f3-3332eca7ea81',
  );
  expect(emailOf(idToken('microsoft'))).toBeUndefined();
  const elsewhere = { ...idToken('microsoft'), tid: '11111111-6c67-4c5b-b112-36a304b66dad' };
  expect(subjectOf(elsewhere)).not.toBe(subjectOf(idToken('microsoft')));
  for (const gone of ['tid', 'oid']) {
    expect(subjectOf({ ...idToken('microsoft'), [gone]: undefined })).toBeUndefined();
    expect(subjectOf({ ...idToken('microsoft'), [gone]: '../x' })).toBeUndefined();
  }
});

test('C01: Microsoft: an address that a tenant wrote proves nothing (nOAuth), whatever email_verified says', () => {
  const { emailOf } = preset('microsoft');
  const { xms_edov: _, ...payload } = idToken('microsoft-email');
  expect(emailOf(idToken('microsoft-email'))).toEqual({ address: 'AbeLi@microsoft.com', verified: true });
  expect(emailOf(payload)).toEqual({ address: 'AbeLi@microsoft.com', verified: false });
  expect(emailOf({ ...payload, email_verified: true })?.verified).toBe(false);
  for (const lie of [false, 'true', '1', 1, null]) {
    expect(emailOf({ ...payload, xms_edov: lie, email_verified: true })?.verified).toBe(false);
  }
});

test('GitHub: who it is is a number, never the login name, and the address is the primary verified one', () => {
  const { subjectOf, emailOf } = preset('github');
  const profile = sample('github').profile ?? {};
  const [primary = {}] = sample('github-emails').emails ?? [];
  expect(subjectOf(profile)).toBe('1');
  expect(subjectOf({ ...profile, login: 'somebody-else' })).toBe('1');
  expect(emailOf(primary)).toEqual({ address: 'octocat@github.com', verified: true });
  expect(emailOf({ ...primary, verified: false })?.verified).toBe(false);
  expect(emailOf({ ...primary, verified: 'true' })?.verified).toBe(false);
  expect(emailOf({ ...primary, primary: false })).toBeUndefined();
  expect(emailOf(profile)).toBeUndefined();
});

test('a number that JSON has rounded is nobody', () => {
  const { subjectOf } = preset('github');
  for (const id of [
    2 ** 53,
    1e300,
    1.5,
    0,
    -1,
    '',
    '01',
    '1e3',
    ' 1',
    null,
    true,
    undefined,
    {},
    '9'.repeat(41),
  ])
    expect(subjectOf({ id })).toBeUndefined();
  expect(subjectOf({ id: 2 ** 53 - 1 })).toBe('9007199254740991');
});

test('Facebook says who it is, and its address proves nothing', () => {
  const { subjectOf, emailOf } = preset('facebook');
  const profile = sample('facebook').profile ?? {};
  expect(subjectOf(profile)).toBe('10159999999999999');
  expect(emailOf(profile)).toEqual({ address: 'jane.smith@example.com', verified: false });
  expect(emailOf({ ...profile, email_verified: true, verified: true })?.verified).toBe(false);
  expect(emailOf({ id: '1' })).toBeUndefined();
});

test.each([
  ['linkedin', sample('linkedin').userinfo ?? {}, '782bbtaQ', 'doe@email.com'],
  ['gitlab', idToken('gitlab'), '2', 'sidney@example.com'],
] as const)(
  '%s: a JSON true proves the address beside it, and nothing else does',
  (name, payload, sub, address) => {
    const { subjectOf, emailOf } = preset(name);
    expect(subjectOf(payload)).toBe(sub);
    expect(emailOf(payload)).toEqual({ address, verified: true });
    for (const lie of ['true', 1, null, undefined, false]) {
      expect(emailOf({ ...payload, email_verified: lie })).toEqual({ address, verified: false });
    }
    expect(emailOf({ ...payload, email: undefined })).toBeUndefined();
  },
);

test('somebody without a subject is nobody', () => {
  const { subjectOf } = preset('google');
  for (const sub of [undefined, '', 7, null, 'x'.repeat(256)]) expect(subjectOf({ sub })).toBeUndefined();
  expect(subjectOf(Object.create({ sub: 'inherited' }))).toBeUndefined();
});
