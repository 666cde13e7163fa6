import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { findSchema, openSchema, standardSchema } from '../../src/domain/profiles/profiles.js';
import { openTestDatabase } from '../support/database.js';
import { until } from '../support/jobs.js';
import { personAt, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import { type Draft, profileCommand } from '../support/profile.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let folder: string;
let file: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { client_name: 'Shoe Shop' });
  folder = await mkdtemp(join(tmpdir(), 'keyhold-profile-'));
  file = join(folder, 'profile.json');
});

beforeEach(async () => {
  await write(() => undefined);
  await profile('apply', file, '--delete-values');
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await app?.close();
  await keyhold?.close();
});

async function write(change: (draft: Draft) => void): Promise<void> {
  const draft = JSON.parse(standardSchema().text) as Draft;
  change(draft);
  await writeFile(file, JSON.stringify(draft, null, 2));
}

const profile = (...words: string[]) => profileCommand(keyhold, ...words);

const shoeSize = {
  name: 'shoe_size',
  type: 'number',
  label: { en: 'Shoe size' },
  ask: { en: 'See your shoe size' },
  purpose: 'fitting',
  see: ['person', 'apps'],
  change: ['person'],
  limits: { changes: { max: 1, within: '30 days' } },
};
const fitting = {
  id: 'fitting',
  basis: 'consent',
  name: { en: 'Fitting shoes' },
  why: { en: 'So that shoes fit.' },
  retention: '730 days',
};
const withShoes = (draft: Draft) => {
  draft.purposes.push(fitting);
  draft.attributes.push(shoeSize);
};

test('without a file of the operator the shipped declaration stands, once, and that is on record', async () => {
  const other = await startKeyhold();
  const [row] = await other.db('profile_schema').select('source', 'version');
  expect(row).toEqual({ source: 'shipped', version: standardSchema().version });
  const applied = await other
    .db('events')
    .where({ type: 'profile_schema.applied' })
    .select('actor_kind', 'detail');
  expect(applied).toHaveLength(1);
  expect(applied[0]).toMatchObject({ actor_kind: 'system', detail: { source: 'shipped' } });
  await other.close();
});

test('processes that start at once apply the shipped declaration once', async () => {
  const database = await openTestDatabase();
  await Promise.all([1, 2, 3, 4].map(() => openSchema(database.db)));
  expect(await database.db('events').where({ type: 'profile_schema.applied' })).toHaveLength(1);
  await database.close();
});

test('a plan says in plain words what would change, and changes nothing', async () => {
  await write(draft => {
    withShoes(draft);
    const birthdate = draft.attributes.find(({ name }) => name === 'birthdate');
    Object.assign(birthdate ?? {}, { limits: { cool_down: '90 days', approval: true }, required: true });
    draft.attributes = draft.attributes.filter(({ name }) => name !== 'website');
  });
  const before = await findSchema(keyhold.db);
  const events = await recordedDuring(keyhold.db, async () => {
    const { code, out, err } = await profile('plan', file);
    expect([code, err]).toEqual([0, `Nothing was done. keyhold profile apply ${file} does it.\n`]);
    expect(out).toMatch(/^Purposes\n {2}\+ fitting {4}new: held because the person agrees\n/);
    expect(out).toContain('kept for 730 days after the last change');
    expect(out).toContain('+ shoe_size  new: a number');
    expect(out).toContain('the person changes it once in 30 days');
    expect(out).toContain('the person changes it 90 days apart, once an operator has allowed it (until now:');
    expect(out).toContain('- website    is not held any more');
    expect(out).toMatch(/2 new, 1 changed, 1 gone\.\nNotices\n {2}presence {2}version 2: less is held/);
  });
  expect(events).toEqual([]);
  expect(await findSchema(keyhold.db)).toEqual(before);
});

test('what is wrong with a file is said with its line, and nothing is applied', async () => {
  await write(draft => draft.attributes.push({ ...shoeSize, purpose: 'nothing' }));
  const before = await findSchema(keyhold.db);
  const { code, err, out } = await profile('apply', file);
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(
    /profile\.json:\d+: attributes\[\d+\]\.purpose: there is no purpose "nothing" in this file\n$/,
  );
  expect(await findSchema(keyhold.db)).toEqual(before);
  expect((await profile('apply', `${file}.gone`)).err).toMatch(/cannot be read/);
  expect((await profile('appply')).code).toBe(2);
  expect((await profile('plan')).code).toBe(2);
});

test('applied twice nothing changes, and what was shown is what is applied', async () => {
  await write(withShoes);
  const events = await recordedDuring(keyhold.db, () => profile('apply', file));
  expect(events).toEqual([
    expect.objectContaining({
      type: 'profile_schema.applied',
      detail: {
        source: 'operator',
        added: ['purpose:fitting', 'attribute:shoe_size'],
        changed: [],
        removed: [],
      },
    }),
  ]);
  const again = await recordedDuring(keyhold.db, async () => {
    expect((await profile('apply', file)).out).toBe('Nothing changes: this is what stands already.\n');
  });
  expect(again).toEqual([]);
  await writeFile(file, (await profile('show')).out);
  expect((await profile('plan', file)).out).toBe('Nothing changes: this is what stands already.\n');
});

test('two files applied at once leave one of them whole', async () => {
  await write(withShoes);
  const second = `${file}.second`;
  await writeFile(second, standardSchema().text);
  await Promise.all([profile('apply', file), profile('apply', second), profile('apply', file)]);
  const standing = await findSchema(keyhold.db);
  const known = standing?.purposes.map(({ id }) => id) ?? [];
  for (const { purpose } of standing?.attributes ?? []) expect(known).toContain(purpose);
  const hasShoes = standing?.attributes.some(({ name }) => name === 'shoe_size');
  expect(standing?.attributes).toHaveLength(standardSchema().schema.attributes.length + (hasShoes ? 1 : 0));
});

test('an attribute that people have values of keeps its type, and is only left out when that is said', async () => {
  await write(withShoes);
  await profile('apply', file);
  const ada = personAt(keyhold);
  await signUp(ada, app, 'ada@example.test');
  const account = await accountOf(keyhold.db, 'ada@example.test');
  await keyhold.db('profile_attributes').insert({
    account_id: account,
    attribute: 'shoe_size',
    value: '43',
    source: 'person',
    recorded_at: new Date(),
  });
  await write(draft => {
    withShoes(draft);
    draft.attributes.push({ ...draft.attributes.pop(), type: 'text' });
  });
  expect((await profile('plan', file)).err).toMatch(/shoe_size: 1 person have a value of the type|1 person/);
  expect((await profile('apply', file)).code).toBe(1);
  await write(() => undefined);
  const refused = await profile('apply', file);
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('--delete-values')]);
  expect((await findSchema(keyhold.db))?.attributes.at(-1)?.name).toBe('shoe_size');
  expect((await profile('apply', file, '--delete-values')).code).toBe(0);
  expect((await findSchema(keyhold.db))?.attributes.some(({ name }) => name === 'shoe_size')).toBe(false);
});

test('an attribute of the operator is a claim that apps ask for by name, each with a line and a tick of its own', async () => {
  await write(withShoes);
  await profile('apply', file);
  await until(async () => {
    const answer = await fetch(`${keyhold.origin}/.well-known/openid-configuration`);
    const { claims_supported: claims } = (await answer.json()) as { claims_supported: string[] };
    return claims.includes('shoe_size');
  });
  const bea = personAt(keyhold);
  const claims = JSON.stringify({ userinfo: { shoe_size: null } });
  await bea.goto(await app.authorizationUrl({ prompt: 'create', claims }));
  await signUp(bea, app, 'bea@example.test');
  const account = await accountOf(keyhold.db, 'bea@example.test');
  await keyhold.db('profile_attributes').insert([
    { account_id: account, attribute: 'shoe_size', value: '43', source: 'person', recorded_at: new Date() },
    { account_id: account, attribute: 'not_declared', value: '1', source: 'import', recorded_at: new Date() },
  ]);
  await bea.goto(await app.authorizationUrl({ claims }));
  expect(bea.page.labels).toEqual(['See your shoe size']);
  bea.tick('See your shoe size');
  await bea.press('Allow');
  const told = await app.userInfo(await app.exchange());
  expect(told).toMatchObject({ shoe_size: 43 });
  expect(told).not.toHaveProperty('not_declared');
  /* And not by the scope that other attributes come with. */
  await keyhold.db('consents').delete();
  await bea.goto(await app.authorizationUrl());
  await bea.press('Allow');
  expect(await app.userInfo(await app.exchange())).not.toHaveProperty('shoe_size');
});

test('who signs up is asked for a name as it is declared, and for none where none is held', async () => {
  await write(draft => {
    Object.assign(draft.attributes.find(({ name }) => name === 'name') ?? {}, { max: 20 });
    draft.attributes = draft.attributes.filter(({ name }) => name !== 'website');
  });
  await profile('apply', file);
  const claims = async () =>
    (
      (await (await fetch(`${keyhold.origin}/.well-known/openid-configuration`)).json()) as {
        claims_supported: string[];
      }
    ).claims_supported;
  await until(async () => !(await claims()).includes('website'));
  const cleo = personAt(keyhold);
  await signUp(cleo, app, 'cleo@example.test', 'Cleo '.repeat(8));
  expect(cleo.page.alerts.join()).toContain('too long');
  await write(draft => {
    draft.attributes = draft.attributes.filter(({ name }) => name !== 'name' && name !== 'website');
  });
  await profile('apply', file, '--delete-values');
  await until(async () => !(await claims()).includes('name'));
  const dora = personAt(keyhold);
  await signUp(dora, app, 'dora@example.test');
  expect(dora.trail.length).toBeGreaterThan(0);
  await expect(signUp(personAt(keyhold), app, 'eve@example.test', 'Eve')).rejects.toThrow(
    'no field is called "Name (optional)"',
  );
});
