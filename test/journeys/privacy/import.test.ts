import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { ZipFile } from 'yazl';
import { askExport, openExport, sweepExports } from '../../../src/domain/exports/exports.js';
import { applyTopics, giveOptIn, listTopics } from '../../../src/domain/messages/messages.js';
import {
  keepPicture,
  newPicturePath,
  setAttributes,
  standardSchema,
} from '../../../src/domain/profiles/profiles.js';
import { zipOf } from '../../../src/journeys/privacy/zip.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { aTry, copyJob } from '../../support/copies.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf } from '../../support/steps.js';
import { NEWS } from '../../support/topics.js';
import { drained, unzip } from '../../support/zip.js';

// What one Keyhold gives out as portable is read in by another one, value by value; imports are kept for an hour.

const THERE = 'ada@there.test';
const HERE = 'ada@here.test';
const IMPORT = '/account/data/import';
const VALUES = { nickname: 'Countess', birthdate: '1815-12-10', name: 'Ada Lovelace' };

let there: TestKeyhold;
let here: TestKeyhold;
let apps: readonly RelyingParty[];
let ada: Person;
let accountId: string;
let copy: Buffer;
let files: ReadonlyMap<string, Buffer>;

beforeAll(async () => {
  [there, here] = await Promise.all([startKeyhold(), startKeyhold()]);
  apps = await Promise.all([openRelyingParty(there), openRelyingParty(here)]);
  const [first, second] = apps;
  if (!first || !second) throw new Error('there are no apps');
  await newMember(there, first, THERE);
  ada = await newMember(here, second, HERE);
  accountId = await accountOf(here.db, HERE);
  for (const { db } of [there, here])
    await openWork(db, { kind: 'operator' }, work => applyTopics(work, NEWS));
  copy = await copyFrom(there);
  files = await unzip(copy);
}, 60_000);

afterAll(async () => {
  for (const app of apps ?? []) await app.close();
  await Promise.all([there?.close(), here?.close()]);
});

async function copyFrom({ db, config, issuer }: TestKeyhold): Promise<Buffer> {
  const owner = await accountOf(db, THERE);
  const keyring = openKeyring(config.secret);
  const bytes = await sharp({ create: { width: 90, height: 90, channels: 3, background: '#aa0000' } })
    .jpeg()
    .toBuffer();
  const path = newPicturePath();
  const id = await openWork(db, { kind: 'person', id: owner }, async work => {
    const { schema } = standardSchema();
    await setAttributes(work, schema, owner, { ...VALUES, picture: path }, 'person');
    await setAttributes(work, schema, owner, { gender: 'female' }, 'operator');
    await keepPicture(work, { accountId: owner, attribute: 'picture', path, bytes });
    const [topic] = (await listTopics(work.tx)).filter(({ topic: name }) => name === 'news');
    const given = { channel: 'email', language: 'en', place: 'preferences' } as const;
    if (topic) await giveOptIn(work, owner, topic, given);
    const asked = await askExport(work, keyring, { accountId: owner, scope: 'portability', language: 'en' });
    return asked.outcome === 'asked' ? asked.id : '';
  });
  await copyJob(db, keyring, issuer).run({ accountId: owner, id }, aTry());
  const made = await openExport(db, keyring, { accountId: owner, id });
  if (made?.state !== 'ready') throw new Error('there is no copy');
  return drained(await zipOf(db, made));
}

/** The copy, with some of its files others than they were. */
async function zipped(
  changes: Readonly<Record<string, Buffer | undefined>>,
  manifest = false,
): Promise<Buffer> {
  const zip = new ZipFile();
  const all = new Map(
    [...files, ...Object.entries(changes)].filter((one): one is [string, Buffer] => one[1] !== undefined),
  );
  for (const [path, change] of Object.entries(changes)) if (!change) all.delete(path);
  if (manifest) {
    const said = JSON.parse(String(files.get('manifest.json')));
    for (const file of said.files) {
      const content = all.get(file.path) ?? Buffer.alloc(0);
      file.sha256 = createHash('sha256').update(content).digest('hex');
    }
    all.set('manifest.json', Buffer.from(JSON.stringify(said)));
  }
  for (const [path, content] of all) zip.addBuffer(content, path);
  zip.end();
  return drained(zip.outputStream as unknown as AsyncIterable<Buffer>);
}

async function bring(file: Buffer): Promise<Response> {
  await ada.goto(new URL(IMPORT, here.origin));
  const form = new FormData();
  form.set('csrf', csrfOf(ada));
  form.set('for', accountId);
  form.set('copy', new Blob([new Uint8Array(file)]), 'copy.zip');
  const cookie = await ada.jar.getCookieString(here.origin);
  const headers = { cookie, 'sec-fetch-site': 'same-origin', accept: 'text/html' };
  return fetch(new URL(IMPORT, here.origin), { method: 'POST', redirect: 'manual', headers, body: form });
}

const profile = async () =>
  Object.fromEntries(
    (
      await here
        .db('profile_attributes')
        .where({ account_id: accountId })
        .select('attribute', 'value', 'source')
    ).map(({ attribute, value, source }) => [attribute, [value, source]]),
  );

test('what is no copy, is damaged, changed or far too much is turned away, and nothing is kept of it', async () => {
  const before = await profile();
  const bomb = Buffer.alloc(30_000_000);
  const evil = JSON.parse(String(files.get('data/profile.json')));
  const odd = Buffer.from(JSON.stringify([{ ...evil[0], roles: ['admin'] }]));
  const tried: Readonly<Record<string, readonly [Buffer, string]>> = {
    'no ZIP': [Buffer.from('PK no'), 'This is not a copy'],
    'half a ZIP': [copy.subarray(0, copy.length / 2), 'This is not a copy'],
    'no manifest': [await zipped({ 'manifest.json': undefined }), 'This is not a copy'],
    'a changed value': [
      await zipped({ 'data/profile.json': Buffer.from('[]') }),
      'not as its list of contents says',
    ],
    'a file more': [
      await zipped({ 'data/more.json': Buffer.from('[]') }),
      'not as its list of contents says',
    ],
    'a file less': [await zipped({ 'data/topics.json': undefined }), 'not as its list of contents says'],
    'a member that there is none of': [
      await zipped({ 'data/profile.json': odd }, true),
      'not as its list of contents says',
    ],
    'a bomb': [await zipped({ 'data/profile.json': bomb }), 'more in this file than can be read here'],
  };
  for (const [what, [file, said]] of Object.entries(tried)) {
    const answer = await bring(file);
    expect([what, answer.status, (await answer.text()).includes(said)]).toEqual([what, 422, true]);
  }
  expect(await here.db('imports').where({ account_id: accountId })).toEqual([]);
  expect(await profile()).toEqual(before);
});

test('what one Keyhold gave out is looked at in another before anything is changed', async () => {
  const before = await profile();
  expect((await bring(copy)).status).toBe(303);
  expect(await profile()).toEqual(before);
  const [kept] = await here.db('imports').where({ account_id: accountId });
  expect(String(kept.sealed)).not.toMatch(/Countess|ada@there/);
  await ada.goto(new URL(IMPORT, here.origin));
  expect(ada.page.text).toContain(`This copy comes from ${there.issuer}`);
  expect(ada.page.text).toContain('Countess');
  expect(ada.page.text).toContain(THERE);
  expect(ada.page.text).toMatch(/There you had said yes to: .*News/);
});

test('what an operator put down there is no word of hers, and is not taken', async () => {
  const said = JSON.parse(String(files.get('data/profile.json')));
  const rows = [...said, { ...said[0], attribute: 'middle_name', value: 'King', source: 'operator' }];
  expect(
    (await bring(await zipped({ 'data/profile.json': Buffer.from(JSON.stringify(rows)) }, true))).status,
  ).toBe(303);
  await ada.goto(new URL(IMPORT, here.origin));
  expect(ada.page.html).toContain('value="nickname"');
  expect(ada.page.html).not.toContain('value="middle_name"');
  await bring(copy);
});

test('each value that is chosen is a change of the profile that says where it came from, and no other is made', async () => {
  const consents = await here.db('consents').where({ account_id: accountId });
  await ada.goto(new URL(IMPORT, here.origin));
  ada.untick('Full name');
  await ada.press('Take over what is ticked');
  const now = await profile();
  expect(now['nickname']).toEqual(['Countess', 'imported']);
  expect(now['birthdate']).toEqual(['1815-12-10', 'imported']);
  expect(now['name']?.[0]).not.toBe('Ada Lovelace');
  expect(now['picture']?.[0]).toMatch(/^\/pictures\/[\w-]{32}$/);
  expect(now['picture']?.[1]).toBe('imported');
  expect(now['gender']).toBeUndefined();
  const changed = await here
    .db('events')
    .where({ account_id: accountId, type: 'profile.changed' })
    .select('detail');
  expect(changed.map(({ detail }) => detail.source)).toContain('imported');
  expect(await here.db('email_addresses').where({ account_id: accountId }).pluck('address')).toEqual([HERE]);
  expect(await here.db('opt_ins').where({ account_id: accountId })).toEqual([]);
  expect(await here.db('consents').where({ account_id: accountId })).toEqual(consents);
  expect(await here.db('imports').where({ account_id: accountId })).toEqual([]);
  await ada.goto(new URL('/account/profile', here.origin));
  expect(ada.page.text).toContain('You brought it from elsewhere');
});

test('what nobody takes is forgotten after an hour', async () => {
  await bring(copy);
  await here.db('imports').update({ expires_at: new Date(Date.now() - 1000) });
  await ada.goto(new URL(IMPORT, here.origin));
  expect(ada.page.text).toContain('The ZIP file of your copy');
  await sweepExports(here.db).run({}, aTry());
  expect(await here.db('imports').where({ account_id: accountId })).toEqual([]);
});
