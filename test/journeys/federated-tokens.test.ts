import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { listLinks, removeLink } from '../../src/domain/federation/federation.js';
import { runFederation } from '../../src/federation-commands.js';
import { openWork } from '../../src/platform/storage/work.js';
import { jobsDone, until } from '../support/jobs.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { continueWith, declareOpenid, openUpstream, type TestUpstream } from '../support/upstream.js';

// What a provider lets us do there is forgotten, or kept sealed where the operator says so, and given back at the end.

let keyhold: TestKeyhold;
let house: RelyingParty;
let upstream: TestUpstream;
const revoked: string[] = [];

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  upstream = await openUpstream();
  upstream.server.service.on('beforeRevoke', async (_response: unknown, request: IncomingMessage) => {
    const form = new URLSearchParams(await text(request));
    revoked.push(String(form.get('token')));
  });
});

afterAll(async () => {
  await upstream?.close();
  await house?.close();
  await keyhold?.close();
});

async function arrive(provider: string, sub: string) {
  upstream.says({ sub, email: `${sub}@example.test`, email_verified: true, name: 'Ada' });
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  await continueWith(person, provider);
  person.tick('I accept the terms');
  await person.press('Create account');
  return { person, accountId: await accountOf(keyhold.db, `${sub}@example.test`) };
}

async function run(...words: string[]) {
  const [said, problems] = [[] as string[], [] as string[]];
  const code = await runFederation(words, {
    db: keyhold.db,
    config: keyhold.config,
    env: {},
    print: text => void said.push(text),
    fail: text => void problems.push(text),
  });
  return { code, said: said.join('\n'), problems: problems.join('\n') };
}

test('tokens are not kept unless the operator says so', async () => {
  await declareOpenid(keyhold, { id: 'forgetful', issuer: upstream.issuer });
  const { accountId } = await arrive('forgetful', 'bob');
  expect(await keyhold.db('federated_tokens')).toEqual([]);
  const { code, problems } = await run('tokens', 'forgetful', accountId);
  expect([code, problems]).toEqual([1, expect.stringContaining('No tokens of forgetful are kept')]);
});

test('kept tokens are sealed, their reading is on record, and they are given back when the link ends', async () => {
  const settings = { issuer: upstream.issuer, client_id: 'keyhold', keep_tokens: true };
  await declareOpenid(keyhold, { id: 'keeping', issuer: upstream.issuer, settings });
  const { accountId } = await arrive('keeping', 'ada');
  const { said, code } = await run('tokens', 'keeping', 'ada@example.test');
  expect(code).toBe(0);
  const [tokens] = JSON.parse(said);
  expect(tokens).toMatchObject({ access_token: expect.any(String), kept_at: expect.any(String) });
  const [row] = await keyhold.db('federated_tokens').where({ account_id: accountId });
  expect(row.sealed.includes(tokens.access_token)).toBe(false);
  const read = { account_id: accountId, type: 'federated_tokens.read' };
  expect(await keyhold.db('events').where(read)).toMatchObject([{ actor_kind: 'operator' }]);

  const [link] = await listLinks(keyhold.db, accountId);
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    removeLink(work, accountId, String(link?.id)),
  );
  await jobsDone(keyhold.db);
  await until(() => revoked.includes(tokens.access_token));
  expect(await keyhold.db('federated_tokens')).toEqual([]);
  expect(await keyhold.db('events').where({ type: 'identity_provider.tokens_ended' })).toMatchObject([
    { detail: { provider: 'keeping', revoked: true } },
  ]);
});
