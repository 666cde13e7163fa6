import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runClients } from '../../../src/domain/clients/cli.js';
import type { Declarable } from '../../../src/domain/clients/clients.js';
import { readAppMetadata } from '../../../src/saml/app-metadata.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  database = await openTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'keyhold-clients-'));
});
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

const run = (...argv: readonly string[]) => runWith(undefined, ...argv);

async function runWith(declarable: Declarable | undefined, ...argv: readonly string[]) {
  const printed: string[] = [];
  const failed: string[] = [];
  const code = await runClients(argv, {
    readSaml: readAppMetadata,
    db: database.db,
    config: {
      issuer: new URL('http://localhost:3000'),
      allowPrivateNetwork: false,
      ...(declarable && { declarable }),
    },
    print: text => void printed.push(text),
    fail: text => void failed.push(text),
  });
  return {
    code,
    output: printed.join(''),
    answer: printed.length ? JSON.parse(printed.join('')) : undefined,
    failed,
  };
}

async function file(content: unknown): Promise<string> {
  const path = join(folder, `${crypto.randomUUID()}.json`);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

test('add prints the client with its secret as JSON, and nothing else', async () => {
  const added = await run('add', await file({ redirect_uris: ['https://a.example.com/'] }), '--first-party');
  expect(added).toMatchObject({ code: 0, failed: [] });
  expect(added.answer).toMatchObject({
    client_id: expect.stringMatching(/^app_/),
    client_secret: expect.stringMatching(/^[\w-]{43}$/),
    client_secret_expires_at: 0,
    redirect_uris: ['https://a.example.com/'],
    first_party: true,
  });
});

test('a client goes from hand to hand by its id', async () => {
  const { answer: added } = await run('add', await file({ redirect_uris: ['https://a.example.com/'] }));
  const id: string = added.client_id;
  const shown = await run('show', id);
  expect(shown.answer).toMatchObject({ client_id: id, state: 'active', first_party: false });
  expect(shown.output).not.toContain('secret"');
  const listed = await run('list');
  expect(listed.answer.map((client: { client_id: string }) => client.client_id)).toContain(id);
  expect(listed.output).not.toContain('secret"');
  const rotated = await run('rotate-secret', id, '--keep-old', '10');
  expect(rotated.answer).toMatchObject({
    client_id: id,
    client_secret: expect.stringMatching(/^[\w-]{43}$/),
  });
  expect(rotated.answer.client_secret).not.toBe(added.client_secret);
  expect((await run('disable', id)).answer).toMatchObject({ state: 'disabled' });
  expect((await run('enable', id)).answer).toMatchObject({ state: 'active' });
  expect((await run('remove', id)).answer).toEqual({ client_id: id, state: 'removed' });
  expect(await run('show', id)).toMatchObject({ code: 1, output: '', failed: [`There is no client ${id}.`] });
});

test('an app that speaks SAML is registered by its own metadata, and its file goes first', async () => {
  const metadata = await file(
    `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://sp.example.com"><SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><AssertionConsumerService index="0" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sp.example.com/acs"/></SPSSODescriptor></EntityDescriptor>`,
  );
  const chosen = { client_name: 'Timesheets', saml: { name_id: 'transient' } };
  const { code, answer, failed } = await run('add', await file(chosen), '--saml', metadata, '--verified');
  expect([code, failed]).toEqual([0, []]);
  const saml = {
    entity_id: 'https://sp.example.com',
    acs: [{ url: 'https://sp.example.com/acs', index: 0 }],
  };
  expect(answer).toMatchObject({ client_name: 'Timesheets', saml: { ...saml, name_id: 'transient' } });
  expect(answer).not.toHaveProperty('client_secret');
  const other = await file({ client_name: 'Hours', saml: { startable: true } });
  const planned = await run('update', answer.client_id, other, '--saml', metadata, '--plan');
  expect(planned.answer).toMatchObject({ planned: true, review_again: true });
  expect(await run('add', await file(chosen), '--saml', metadata)).toMatchObject({ code: 1, output: '' });
  const elsewhere = await file({ saml: { ...saml, entity_id: 'https://other.example.com' } });
  expect(await run('update', answer.client_id, elsewhere)).toMatchObject({ code: 1, output: '' });
  expect((await run('add', elsewhere, '--saml')).code).toBe(2);
  expect((await run('remove', answer.client_id)).code).toBe(0);
});

test('every problem of a file is one line, and nothing is registered', async () => {
  const path = await file({ redirect_uris: ['http://a.example.com/'], client_name: '<b>', frobnicate: 1 });
  const before = (await run('list')).answer;
  const { code, output, failed } = await run('add', path);
  expect({ code, output }).toEqual({ code: 1, output: '' });
  expect(failed).toHaveLength(3);
  expect(failed.join('\n')).toMatch(/^client_name must not contain < or >$/m);
  expect((await run('list')).answer).toEqual(before);
});

test.each([
  [
    'that is not there',
    () => Promise.resolve('/nowhere/client.json'),
    /^\/nowhere\/client\.json cannot be read: ./,
  ],
  ['that is no JSON', () => file('{"client_name": '), /is not JSON: /],
  ['that is no object', () => file('[]'), /^metadata must be a JSON object$/],
])('a file %s is one sentence', async (_what, path, sentence) => {
  const { code, output, failed } = await run('add', await path());
  expect({ code, output }).toEqual({ code: 1, output: '' });
  expect(failed).toEqual([expect.stringMatching(sentence)]);
});

test.each([
  [[]],
  [['frobnicate']],
  [['constructor']],
  [['add']],
  [['add', 'a.json', 'b.json']],
  [['add', 'a.json', '--frobnicate']],
  [['show']],
  [['list', 'x']],
  [['rotate-secret', 'x', '--keep-old']],
  [['rotate-secret', 'x', '--keep-old', '-1']],
])('%j is not understood, and what would be is said', async argv => {
  const { code, output, failed } = await run(...argv);
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(failed.join('')).toContain('keyhold clients add FILE.json');
});

const DECLARABLE = {
  purposes: ['account', 'age'],
  claims: [
    { name: 'email', scope: 'email', purpose: 'account' },
    { name: 'birthdate', scope: undefined, purpose: 'age' },
  ],
};

const HONEST = {
  redirect_uris: ['https://a.example.com/'],
  scope: 'openid email',
  purposes: ['account', 'age'],
  required_claims: ['email'],
  optional_claims: ['birthdate'],
};

test('an app declares what it asks for, and what it could not ask for is refused with the reason', async () => {
  const added = await runWith(DECLARABLE, 'add', await file(HONEST));
  expect(added.answer).toMatchObject({ purposes: ['account', 'age'], required_claims: ['email'] });
  const wrong = await runWith(
    DECLARABLE,
    'add',
    await file({ ...HONEST, purposes: ['age', 'fun'], required_claims: ['email', 'shoe_size', 'birthdate'] }),
  );
  expect(wrong.code).toBe(1);
  const said = wrong.failed.join('\n');
  for (const line of [
    'purposes has what is no purpose here: fun (known: account age)',
    'scope has email, which is held for what purposes does not name: account',
    'required_claims[0] is held for "account", which purposes does not name',
    'required_claims[1] is no claim that apps may have here',
    'optional_claims has what is required already: birthdate',
  ])
    expect(said).toContain(line);
  const silent = await file({ redirect_uris: HONEST.redirect_uris, optional_claims: ['email'] });
  expect((await runWith(DECLARABLE, 'add', silent)).failed[0]).toContain('optional_claims needs purposes');
});

test('the operator reviews an app and takes that back; a purpose that is gone is not reviewed', async () => {
  const { answer } = await runWith(DECLARABLE, 'add', await file(HONEST));
  const id: string = answer.client_id;
  const reviews = () =>
    database.db('events').where({ type: 'client.reviewed', client_id: id }).orderBy('id').pluck('detail');
  expect((await runWith(DECLARABLE, 'show', id)).answer.verified).toBe(false);
  const gone = await runWith({ ...DECLARABLE, purposes: ['account'] }, 'review', id);
  expect([gone.code, (await run('show', id)).answer.verified, await reviews()]).toEqual([1, false, []]);
  expect((await runWith(DECLARABLE, 'review', id)).answer.verified).toBe(true);
  expect((await runWith(DECLARABLE, 'review', id, '--take-back')).answer.verified).toBe(false);
  expect(await reviews()).toEqual([{ verified: true }, { verified: false }]);
});

test('how an app hears about people is said anew, by the rules that held at its registration, and nothing else is', async () => {
  const { client_id: id } = (await run('add', await file({ redirect_uris: ['https://a.example.com/'] })))
    .answer;
  const ways = { command_endpoint: 'https://a.example.com/commands', commands_supported: ['delete'] };
  const told = await run('told-by', id, await file(ways));
  expect(told.answer).toMatchObject({ client_id: id, redirect_uris: ['https://a.example.com/'], ...ways });
  for (const bad of [
    { ...ways, command_endpoint: 'https://10.0.0.1/' },
    { webhook_uri: 'http://a.example.com/' },
    { commands_supported: ['delete'] },
    { first_party: true },
    { redirect_uris: ['https://b.example.com/'] },
    [],
    null,
  ]) {
    expect((await run('told-by', id, await file(bad))).code).toBe(1);
  }
  expect((await run('show', id)).answer).toMatchObject(ways);
  expect((await run('told-by', id, await file({}))).answer).not.toHaveProperty('command_endpoint');
  expect((await run('told-by', 'app_none', await file({}))).code).toBe(1);
  const events = await database.db('events').where({ type: 'client.told_by_changed', client_id: id });
  expect(events.map(({ detail }) => detail.by)).toEqual([Object.keys(ways), []]);
});

test('update puts other metadata in place, says what changed, and takes the review back where more is asked', async () => {
  const given = { client_name: 'App', redirect_uris: ['https://a.example.com/'], scope: 'openid email' };
  const { answer: added } = await run('add', await file(given), '--verified');
  const id: string = added.client_id;
  const before = await database.db('clients').where({ client_id: id }).first();
  const less = await file({ ...given, scope: 'openid', default_max_age: 60 });
  const planned = await run('update', id, less, '--plan');
  expect(planned.answer).toMatchObject({
    planned: true,
    review_again: false,
    changes: [
      { member: 'default_max_age', before: null, after: 60 },
      { member: 'scope', before: 'openid email', after: 'openid' },
    ],
  });
  expect(await database.db('clients').where({ client_id: id }).first()).toEqual(before);
  expect((await run('update', id, less)).answer).toMatchObject({ scope: 'openid', verified: true });
  for (const more of [
    { scope: 'openid profile' },
    { redirect_uris: [...given.redirect_uris, 'https://b.example.com/'] },
    { client_name: 'Town Hall' },
  ]) {
    const wider = await file({ ...given, scope: 'openid', default_max_age: 60, ...more });
    expect((await run('update', id, wider, '--plan')).answer.review_again).toBe(true);
    expect((await run('update', id, wider)).answer).toMatchObject({ verified: false, ...more });
    expect((await run('update', id, less, '--verified')).answer.verified).toBe(true);
  }
  const event = await database
    .db('events')
    .where({ client_id: id, type: 'client.updated' })
    .orderBy('id')
    .first();
  expect(event?.detail).toEqual({ members: ['default_max_age', 'scope'], verified: true });
});

test('update refuses what add refuses, and what would make strangers of everybody', async () => {
  const given = { redirect_uris: ['https://a.example.com/'] };
  const { answer: added } = await run('add', await file(given));
  const id: string = added.client_id;
  const before = await database.db('clients').where({ client_id: id }).first();
  for (const [words, said] of [
    [{ redirect_uris: ['http://a.example.com/'] }, 'redirect_uris[0] must be https'],
    [{ ...given, subject_type: 'pairwise' }, 'the app would know nobody'],
    [{ ...given, first_party: true }, 'first_party is said when'],
    [{ ...given, colour: 'red' }, 'colour'],
  ] as const) {
    const refused = await run('update', id, await file(words));
    expect([refused.code, refused.failed.join()]).toEqual([1, expect.stringContaining(said)]);
  }
  expect(await database.db('clients').where({ client_id: id }).first()).toEqual(before);
  expect((await run('update', id)).code).toBe(2);
  expect((await run('update', 'app_nobody', await file(given))).code).toBe(1);
  const keyless = await file({ ...given, token_endpoint_auth_method: 'none' });
  expect((await run('update', id, keyless)).answer).not.toHaveProperty('client_secret');
  expect(
    (await database.db('clients').where({ client_id: id }).first('secret_digest'))?.secret_digest,
  ).toBeNull();
  expect((await run('update', id, await file(given))).answer.client_secret).toMatch(/^[\w-]{43}$/);
});
