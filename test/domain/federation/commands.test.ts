import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { checkFile, runFederation } from '../../../src/federation-commands.js';
import { watchProviders } from '../../../src/federation-watch.js';
import { randomToken } from '../../../src/platform/crypto/tokens.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { openUpstream } from '../../support/upstream.js';

let database: TestDatabase;
let folder: string;
const secret = randomToken();
const env = { GOOGLE_SECRET: 'words-of-google', OTHER_SECRET: 'words-of-another' };

beforeAll(async () => {
  database = await openTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'keyhold-providers-'));
});
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  await database.db('federated_subjects').delete();
  await database.db('identity_providers').delete();
});

async function run(...words: readonly string[]) {
  const printed: string[] = [];
  const failed: string[] = [];
  const code = await runFederation(words, {
    db: database.db,
    config: { secret, issuer: new URL('https://id.example.com') },
    env,
    print: text => void printed.push(text),
    fail: text => void failed.push(text),
  });
  const output = printed.join('');
  return { code, output, answer: output === '' ? undefined : JSON.parse(output), failed: failed.join('\n') };
}

async function file(...providers: readonly unknown[]): Promise<string> {
  const path = join(folder, `${crypto.randomUUID()}.json`);
  await writeFile(path, JSON.stringify({ providers }));
  return path;
}

const google = {
  id: 'google',
  preset: 'google',
  settings: { client_id: 'ours' },
  secrets: { client_secret: { env: 'GOOGLE_SECRET' } },
};
const kept = () => database.db('identity_providers').orderBy('id');
const recorded = (): Promise<{ id: string; type: string }[]> =>
  database.db('events').where('type', 'like', 'identity_provider.%').orderBy('id').select('id', 'type');
const seen = async () => new Set((await recorded()).map(({ id }) => id));
const facts = async (since: ReadonlySet<string>) =>
  (await recorded()).filter(({ id }) => !since.has(id)).map(({ type }) => type);

test('apply keeps what the file says, completed by its preset, and seals the secret', async () => {
  const since = await seen();
  const applied = await run('apply', await file(google));
  expect(applied).toMatchObject({ code: 0, answer: [{ id: 'google', what: 'added' }] });
  expect(applied.failed).toContain('https://id.example.com/federation/google/callback');
  const [row] = await kept();
  expect(row).toMatchObject({
    id: 'google',
    kind: 'openid',
    name: 'Google',
    preset: 'google',
    state: 'enabled',
  });
  expect(row.settings).toMatchObject({ issuer: 'https://accounts.google.com', client_id: 'ours' });
  expect(row.mapping.attributes.given_name).toEqual({ from: 'given_name', wins: 'until_edited' });
  expect(row.secrets.toString('latin1')).not.toContain('words-of-google');
  expect(await facts(since)).toEqual(['identity_provider.applied']);
});

test('neither show nor list nor plan prints a secret', async () => {
  const path = await file(google);
  const outputs = [];
  for (const words of [['apply', path], ['show', 'google'], ['list'], ['plan', path]])
    outputs.push(await run(...words));
  for (const { code, output, failed } of outputs) {
    expect(code).toBe(0);
    expect(output + failed).not.toContain('words-of-google');
  }
  expect(outputs[1]?.answer).toMatchObject({ id: 'google', settings: { client_id: 'ours' } });
});

test('applied again a file changes nothing, and leaves no trace', async () => {
  const path = await file(google);
  await run('apply', path);
  const before = await kept();
  const since = await seen();
  const again = await run('apply', path);
  expect(again.answer).toEqual([{ id: 'google', what: 'unchanged', changes: [] }]);
  expect(await kept()).toEqual(before);
  expect(await facts(since)).toEqual([]);
});

test('plan names what would change, a secret by its name alone, and changes nothing', async () => {
  await run('apply', await file(google));
  const before = await kept();
  const changed = {
    ...google,
    name: 'Google here',
    settings: { client_id: 'ours', hosted_domain: 'firm.example' },
    secrets: { client_secret: { env: 'OTHER_SECRET' } },
  };
  const { code, answer } = await run('plan', await file(changed, { ...google, id: 'second' }));
  expect({ code, answer }).toEqual({
    code: 0,
    answer: [
      {
        id: 'google',
        what: 'changed',
        changes: ['name', 'settings.parameters', 'settings.require', 'secrets.client_secret'],
      },
      { id: 'second', what: 'added', changes: [] },
    ],
  });
  expect(await kept()).toEqual(before);
});

test('what was disabled stays so when a file that says nothing of it is applied', async () => {
  const path = await file(google);
  await run('apply', path);
  expect((await run('disable', 'google')).answer).toMatchObject({ id: 'google', state: 'disabled' });
  await run('apply', path);
  await run('apply', await file({ ...google, name: 'Changed' }));
  expect((await run('show', 'google')).answer).toMatchObject({ name: 'Changed', state: 'disabled' });
  expect((await run('enable', 'google')).answer).toMatchObject({ state: 'enabled' });
  await run('apply', await file({ ...google, state: 'disabled' }));
  expect((await run('show', 'google')).answer).toMatchObject({ state: 'disabled' });
});

test('an attribute that nobody declared is named, and hinders nothing', async () => {
  const mapping = { attributes: { given_name: { from: 'given_name' }, shoe_size: { from: 'shoe' } } };
  const { code, failed } = await run('apply', await file({ ...google, mapping }));
  expect({ code, failed }).toEqual({
    code: 0,
    failed: expect.stringContaining('google: there is no attribute shoe_size'),
  });
  expect(failed).not.toContain('given_name');
});

test('secrets that a file leaves out stay', async () => {
  await run('apply', await file(google));
  const [before] = await kept();
  const { secrets: _, ...without } = google;
  expect((await run('apply', await file({ ...without, name: 'Other' }))).code).toBe(0);
  const [after] = await kept();
  expect(after.secrets).toEqual(before.secrets);
});

test('a secret in clear, one that is not there and one that is missing are refused, and none of them is said', async () => {
  const since = await seen();
  const wrong: readonly (readonly [unknown, string])[] = [
    [{ ...google, secrets: { client_secret: 'in-clear-words' } }, 'providers.0.secrets.client_secret'],
    [{ ...google, secrets: { client_secret: { env: 'UNSET' } } }, 'UNSET is not set'],
    [{ ...google, secrets: { client_secret: { file: 'nowhere.txt' } } }, 'nowhere.txt cannot be read'],
    [{ ...google, secrets: {} }, 'secrets.client_secret: is needed'],
    [{ ...google, secrets: { password: { env: 'OTHER_SECRET' } } }, 'secrets.password: is not known here'],
  ];
  for (const [entry, said] of wrong) {
    const { code, failed } = await run('apply', await file(entry));
    expect({ code, failed }).toEqual({ code: 1, failed: expect.stringContaining(said) });
    expect(failed).not.toMatch(/in-clear-words|words-of-another/);
  }
  expect(await kept()).toEqual([]);
  expect(await facts(since)).toEqual([]);
});

test('a file of one provider is that provider', async () => {
  const path = join(folder, 'one.json');
  await writeFile(path, JSON.stringify(google));
  expect((await run('apply', path)).answer).toMatchObject([{ id: 'google', what: 'added' }]);
});

test('a secret is read from a file that is named as seen from the providers’ own', async () => {
  await writeFile(join(folder, 'google.txt'), 'words-of-a-file\n');
  const entry = { ...google, secrets: { client_secret: { file: 'google.txt' } } };
  expect((await run('apply', await file(entry))).code).toBe(0);
  await writeFile(join(folder, 'google.txt'), 'words-of-a-file');
  expect((await run('plan', await file(entry))).answer).toMatchObject([{ what: 'unchanged' }]);
});

test('a file with anything wrong in it is refused whole, with every problem and where it is', async () => {
  const { code, failed } = await run(
    'apply',
    await file(
      google,
      { id: 'google', preset: 'gogle', settings: {} },
      { id: 'Other', preset: 'github', settings: { client_id: 'x', clientid: 'y' } },
      { id: 'third', preset: 'google', kind: 'openid', settings: { client_id: 'x' } },
      { id: 'fourth', kind: 'openid', name: 'Fourth', settings: { client_id: 'x' } },
    ),
  );
  expect(code).toBe(1);
  for (const said of [
    'providers.1 (google): is there already',
    'providers.1 (google): preset: there is none of this name',
    'providers.2 (Other): id: must be',
    'providers.3 (third): kind: is what the preset says',
    'providers.4 (fourth): settings.issuer',
  ])
    expect(failed).toContain(said);
  expect(await kept()).toEqual([]);
});

test('the key of Apple is looked at before it is kept', async () => {
  const apple = {
    id: 'apple',
    preset: 'apple',
    settings: { client_id: 'com.example', apple: { team_id: 'T', key_id: 'K' } },
    secrets: { private_key: { env: 'OTHER_SECRET' } },
  };
  const { code, failed } = await run('apply', await file(apple));
  expect({ code, failed }).toEqual({ code: 1, failed: expect.stringContaining('.p8') });
  expect(await kept()).toEqual([]);
});

/* Somebody is tied to a provider; by whom is all the same here. */
async function tie(provider: string): Promise<void> {
  const [account] = await database
    .db('accounts')
    .insert({ id: crypto.randomUUID(), state: 'active', opened_at: new Date(), updated_at: new Date() })
    .returning('id');
  await database.db('federated_subjects').insert({
    provider_id: provider,
    subject: '12345',
    account_id: account.id,
    link_id: crypto.randomUUID(),
  });
}

test('C41: an id that people are known by is not given to a provider that names others, nor taken away', async () => {
  const acme = {
    id: 'acme',
    kind: 'openid',
    name: 'Acme',
    settings: { client_id: 'ours', issuer: 'https://id.acme.example' },
    secrets: { client_secret: { env: 'OTHER_SECRET' } },
  };
  const moved = { ...acme, settings: { ...acme.settings, issuer: 'https://id.evil.example' } };
  await run('apply', await file(acme));
  expect((await run('plan', await file(moved))).code).toBe(0);
  await tie('acme');
  const before = await kept();
  const since = await seen();
  for (const other of [moved, { ...google, id: 'acme' }]) {
    const { code, failed } = await run('apply', await file(other));
    expect({ code, failed }).toEqual({
      code: 1,
      failed: expect.stringContaining('give it an id of its own'),
    });
  }
  expect((await run('plan', await file(moved), '--same-people')).answer).toMatchObject([{ what: 'changed' }]);
  const removed = await run('remove', 'acme');
  expect({ code: removed.code, failed: removed.failed }).toEqual({
    code: 1,
    failed: expect.stringContaining('disable'),
  });
  expect(await kept()).toEqual(before);
  expect(await facts(since)).toEqual([]);
  expect((await run('apply', await file({ ...acme, name: 'Acme Corporation' }))).code).toBe(0);
});

test('other tenants of Microsoft name the same people', async () => {
  const microsoft = {
    id: 'microsoft',
    preset: 'microsoft',
    settings: { client_id: 'ours' },
    secrets: { client_secret: { env: 'OTHER_SECRET' } },
  };
  await run('apply', await file(microsoft));
  await tie('microsoft');
  const tenant = { ...microsoft, settings: { client_id: 'ours', tenant: 'organizations' } };
  expect((await run('apply', await file(tenant))).answer).toMatchObject([{ changes: ['settings.issuer'] }]);
});

test('a provider that nobody uses is removed, and one that is not there is not', async () => {
  await run('apply', await file(google));
  const since = await seen();
  expect((await run('remove', 'google')).answer).toEqual({ id: 'google', state: 'removed' });
  expect(await facts(since)).toEqual(['identity_provider.removed']);
  for (const verb of ['remove', 'show', 'enable', 'disable', 'test']) {
    expect(await run(verb, 'google')).toMatchObject({
      code: 1,
      failed: 'There is no identity provider google.',
    });
  }
});

test('the address to enter at a provider, and those that are known by name, are printed', async () => {
  expect((await run('callback', 'google')).answer).toEqual({
    id: 'google',
    callback: 'https://id.example.com/federation/google/callback',
  });
  const { answer } = await run('presets');
  expect(answer.map(({ preset }: { preset: string }) => preset)).toEqual([
    'google',
    'apple',
    'microsoft',
    'github',
    'facebook',
    'linkedin',
    'gitlab',
  ]);
});

test('doctor says of each provider that is enabled whether people can be sent there', async () => {
  const upstream = await openUpstream();
  const acme = {
    id: 'acme',
    kind: 'openid',
    name: 'Acme',
    settings: { client_id: 'ours', issuer: upstream.issuer },
    secrets: { client_secret: { env: 'OTHER_SECRET' } },
  };
  const gone = { ...acme, id: 'gone', settings: { client_id: 'ours', issuer: 'http://localhost:1' } };
  await run('apply', await file(acme, gone, { ...gone, id: 'off', state: 'disabled' }));
  const config = { secret, issuer: new URL('http://localhost:3000'), allowPrivateNetwork: true };
  expect(await watchProviders(database.db, config)).toEqual([
    ['ok', 'People can be sent to the identity provider acme.'],
    [
      'problem',
      'Nobody can sign in by the identity provider gone (no_answer); try keyhold federation test gone.',
    ],
  ]);
  expect(await watchProviders(database.db, { ...config, secret: randomToken() })).toMatchObject([
    ['problem', expect.stringContaining('sealed under another KEYHOLD_SECRET')],
    ['problem', expect.stringContaining('sealed under another KEYHOLD_SECRET')],
  ]);
  await upstream.close();
});

test('check-config says of a file whether it could be applied, without a database', async () => {
  const check = async (...words: readonly string[]) => {
    const failed: string[] = [];
    const code = await checkFile(words, { env, fail: line => void failed.push(line) });
    return { code, failed: failed.join('\n') };
  };
  const good = await file(google, { ...google, id: 'second' });
  expect(await check(good)).toEqual({ code: 0, failed: `${good} can be applied: google, second.` });
  const bad = await file({ ...google, secrets: { client_secret: 'in-clear-words' } });
  const { code, failed } = await check(bad);
  expect({ code, failed }).toEqual({ code: 1, failed: expect.stringContaining('providers.0.secrets') });
  expect(failed).not.toContain('in-clear-words');
  expect((await check(join(folder, 'nowhere.json'))).code).toBe(1);
  expect((await check(good, good)).code).toBe(2);
});

test('what makes no sense is answered with the usage', async () => {
  for (const words of [
    [],
    ['apply'],
    ['show', 'NOT AN ID'],
    ['dance'],
    ['list', 'x'],
    ['--force'],
    ['show', 'google', '--same-people'],
  ]) {
    expect(await run(...words)).toMatchObject({
      code: 2,
      failed: expect.stringContaining('keyhold federation apply'),
    });
  }
});

test('metadata and certificates may be files beside the file that names them', async () => {
  const metadata = '<EntityDescriptor/>';
  await writeFile(join(folder, 'acme.xml'), metadata);
  const acme = { id: 'acme', kind: 'saml', name: 'Acme', settings: { metadata_xml: { file: 'acme.xml' } } };
  expect((await run('apply', await file(acme))).code).toBe(0);
  expect((await kept())[0]?.settings).toMatchObject({ metadata_xml: metadata, name_id: 'persistent' });
  const gone = { ...acme, settings: { metadata_xml: { file: 'gone.xml' } } };
  expect(await run('plan', await file(gone))).toMatchObject({
    code: 1,
    failed: expect.stringContaining('settings: gone.xml cannot be read (ENOENT)'),
  });
});

test('our keys towards a company that speaks SAML are shown and changed; no other provider has any', async () => {
  const acme = {
    id: 'acme',
    kind: 'saml',
    name: 'Acme',
    settings: { metadata_url: 'https://acme.example/m' },
  };
  await run('apply', await file(acme, google));
  expect((await run('metadata', 'acme')).answer).toEqual({
    id: 'acme',
    metadata: 'https://id.example.com/federation/acme/metadata',
  });
  expect((await run('keys', 'acme')).answer).toEqual([]);
  expect((await run('rotate-keys', 'acme')).answer).toMatchObject({ id: 'acme', generation: 1 });
  const { answer, output } = await run('keys', 'acme');
  expect(answer.map((key: { use: string }) => key.use).sort()).toEqual(['encryption', 'signing']);
  expect(output).not.toMatch(/PRIVATE|sealed/);
  expect((await run('rotate-keys', 'acme')).answer).toMatchObject({ generation: 2 });
  expect(await run('rotate-keys', 'acme')).toMatchObject({
    code: 1,
    failed: expect.stringContaining('already'),
  });
  for (const verb of ['metadata', 'keys', 'rotate-keys'])
    expect(await run(verb, 'google')).toMatchObject({ code: 1, failed: expect.stringContaining('SAML') });
});
