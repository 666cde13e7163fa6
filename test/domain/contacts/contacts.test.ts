import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import {
  addVerifiedEmail,
  type BegunProof,
  beginProof,
  CONTACT_FACTS,
  denyProof,
  findProofByLink,
  listEmails,
  type ProofOutcome,
  type ProofPurpose,
  type ProofRequest,
  proveByLink,
  sweepProofs,
  tryCode,
} from '../../../src/domain/contacts/contacts.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { openWork, type Work } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

const keyring = openKeyring('a secret of a test that is long enough');
const PERSON = { kind: 'person' } as const;

let database: TestDatabase;
let binding: string;

beforeAll(async () => {
  database = await openTestDatabase();
});

beforeEach(() => {
  binding = uuidv7();
});

afterAll(() => database.close());

function work<T>(act: (work: Work) => Promise<T>): Promise<T> {
  return openWork(database.db, PERSON, act);
}

function begin(asked: Partial<ProofRequest> = {}): Promise<BegunProof> {
  return work(open =>
    beginProof(open, keyring, {
      purpose: 'sign-in',
      address: 'ada@example.com',
      binding,
      askedFrom: 'Firefox, 192.0.2.1',
      locale: 'en',
      decoy: false,
      ...asked,
    }),
  );
}

function type(code: string, tried: { binding?: string; purpose?: ProofPurpose } = {}): Promise<ProofOutcome> {
  return work(open => tryCode(open, keyring, { binding, purpose: 'sign-in', code, ...tried }));
}

function follow(
  linkToken: string,
  used: { binding?: string; purpose?: ProofPurpose } = {},
): Promise<ProofOutcome> {
  return work(open => proveByLink(open, { linkToken, binding, purpose: 'sign-in', ...used }));
}

/** A code that differs from `code` in the digit at `place`. */
function wrong(code: string, place = 0): string {
  return code.slice(0, place) + ((Number(code[place]) + 1) % 10) + code.slice(place + 1);
}

async function rowOf(id: string): Promise<Record<string, unknown>> {
  const { rows } = await database.db.raw('SELECT * FROM email_proofs WHERE id = ?', [id]);
  return rows[0];
}

async function factsOf(id: string): Promise<readonly string[]> {
  const { rows } = await database.db.raw(`SELECT type FROM events WHERE detail->>'proof' = ? ORDER BY id`, [
    id,
  ]);
  return (rows as { type: string }[]).map(row => row.type);
}

function expire(id: string): Promise<unknown> {
  return database.db.raw(`UPDATE email_proofs SET expires_at = now() - interval '1 second' WHERE id = ?`, [
    id,
  ]);
}

test('the mailed code proves the address, once', async () => {
  const accountId = uuidv7();
  const { id, code } = await begin({ accountId });
  expect(code).toMatch(/^\d{8}$/);
  expect(await type(code)).toEqual({ outcome: 'proved', id, address: 'ada@example.com', accountId });
  expect(await type(code)).toEqual({ outcome: 'ended', reason: 'used' });
  expect(await factsOf(id)).toEqual(['email_proof.sent', 'email_proof.proved']);
});

test.each([
  ['spaces', (code: string) => ` ${code.slice(0, 4)} ${code.slice(4)} `],
  ['dashes', (code: string) => `${code.slice(0, 2)}-${code.slice(2, 5)}–${code.slice(5)}`],
  ['full-width digits', (code: string) => code.replace(/\d/g, d => String.fromCharCode(0xff10 + Number(d)))],
])('a code is taken when typed with %s', async (_what, typed) => {
  const { code } = await begin();
  expect(await type(typed(code))).toMatchObject({ outcome: 'proved', accountId: undefined });
});

test('no code with one digit changed is taken, and neither is an empty or a longer one', async () => {
  const { code } = await begin();
  for (const place of [0, 3, 7]) expect((await type(wrong(code, place))).outcome).toBe('wrong');
  const again = await begin();
  for (const typed of ['', `${again.code}0`, again.code.slice(1), code]) {
    expect((await type(typed)).outcome).toBe('wrong');
  }
});

test('five wrong codes end it, and the right one comes too late', async () => {
  const { id, code } = await begin();
  const outcomes = [];
  for (let n = 0; n < 5; n++) outcomes.push(await type(wrong(code, n)));
  expect(outcomes).toEqual([
    ...[4, 3, 2, 1].map(triesLeft => ({ outcome: 'wrong', triesLeft })),
    { outcome: 'ended', reason: 'too-many' },
  ]);
  expect(await type(code)).toEqual({ outcome: 'ended', reason: 'too-many' });
  expect((await rowOf(id)).attempts).toBe(5);
  expect(await factsOf(id)).toEqual([
    'email_proof.sent',
    ...Array(5).fill('email_proof.failed'),
    'email_proof.ended',
  ]);
});

test('four wrong codes do not', async () => {
  const { code } = await begin();
  for (let n = 0; n < 4; n++) await type(wrong(code, n));
  expect((await type(code)).outcome).toBe('proved');
});

test('after ten minutes by the clock of the database it is over', async () => {
  const { id, code, linkToken } = await begin();
  const { expires_at, created_at } = (await rowOf(id)) as { expires_at: Date; created_at: Date };
  expect(expires_at.getTime() - created_at.getTime()).toBe(600_000);
  await expire(id);
  expect(await type(code)).toEqual({ outcome: 'ended', reason: 'expired' });
  expect(await follow(linkToken)).toEqual({ outcome: 'ended', reason: 'expired' });
  expect(await findProofByLink(database.db, linkToken)).toMatchObject({ state: 'expired' });
  expect(await rowOf(id)).toMatchObject({ attempts: 0, used_at: null });
});

test('the right code fifty times at once proves once', async () => {
  const { id, code } = await begin();
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => type(code)));
  expect(outcomes.filter(({ outcome }) => outcome === 'proved')).toHaveLength(1);
  expect(outcomes.filter(outcome => outcome.outcome === 'ended' && outcome.reason === 'used')).toHaveLength(
    49,
  );
  expect(await factsOf(id)).toEqual(['email_proof.sent', 'email_proof.proved']);
});

test('fifty wrong codes at once are five tries', async () => {
  const { id, code } = await begin();
  const outcomes = await Promise.all(Array.from({ length: 50 }, (_, n) => type(wrong(code, n % 8))));
  expect(outcomes.filter(({ outcome }) => outcome === 'wrong')).toHaveLength(4);
  expect(await rowOf(id)).toMatchObject({ attempts: 5, used_at: null, ended_reason: 'too-many' });
  expect((await factsOf(id)).filter(fact => fact === 'email_proof.failed')).toHaveLength(5);
});

test('code and link at once prove once', async () => {
  const { id, code, linkToken } = await begin();
  const tries = Array.from({ length: 20 }, (_, n) => (n % 2 ? type(code) : follow(linkToken)));
  const proved = (await Promise.all(tries)).filter(({ outcome }) => outcome === 'proved');
  expect(proved).toHaveLength(1);
  expect(await factsOf(id)).toEqual(['email_proof.sent', 'email_proof.proved']);
});

const PURPOSES: readonly ProofPurpose[] = ['sign-up', 'sign-in', 'recovery'];

test.each(
  PURPOSES.flatMap(asked => PURPOSES.filter(used => used !== asked).map(used => [asked, used] as const)),
)('a proof for %s is none for %s', async (asked, used) => {
  const { id, code, linkToken } = await begin({ purpose: asked });
  const none = { outcome: 'ended', reason: 'none' };
  expect(await type(code, { purpose: used })).toEqual(none);
  expect(await follow(linkToken, { purpose: used })).toEqual(none);
  await begin({ purpose: used });
  expect(await type(code, { purpose: used })).toEqual({ outcome: 'wrong', triesLeft: 4 });
  expect(await follow(linkToken, { purpose: used })).toEqual(none);
  expect(await rowOf(id)).toMatchObject({ attempts: 0, used_at: null, ended_at: null });
  expect((await type(code, { purpose: asked })).outcome).toBe('proved');
});

test('in another browser neither code nor link proves anything', async () => {
  const { id, code, linkToken } = await begin();
  const other = uuidv7();
  const none = { outcome: 'ended', reason: 'none' };
  expect(await type(code, { binding: other })).toEqual(none);
  expect(await follow(linkToken, { binding: other })).toEqual(none);
  await begin({ binding: other, address: 'eve@example.com' });
  expect(await type(code, { binding: other })).toEqual({ outcome: 'wrong', triesLeft: 4 });
  expect(await follow(linkToken, { binding: other })).toEqual(none);
  expect(await rowOf(id)).toMatchObject({ attempts: 0, used_at: null, ended_at: null });
});

test('a link shows who asked and the code, as often as it is looked at', async () => {
  const { id, code, linkToken } = await begin({ purpose: 'sign-up' });
  for (let n = 0; n < 3; n++) {
    expect(await findProofByLink(database.db, linkToken)).toMatchObject({
      id,
      binding,
      purpose: 'sign-up',
      address: 'ada@example.com',
      askedFrom: 'Firefox, 192.0.2.1',
      code,
      state: 'open',
    });
  }
  expect((await type(code, { purpose: 'sign-up' })).outcome).toBe('proved');
  expect(await findProofByLink(database.db, linkToken)).toMatchObject({ state: 'used' });
});

test('a link proves in the browser that began, once', async () => {
  const { id, code, linkToken } = await begin();
  expect(await follow(linkToken)).toEqual({
    outcome: 'proved',
    id,
    address: 'ada@example.com',
    accountId: undefined,
  });
  expect(await follow(linkToken)).toEqual({ outcome: 'ended', reason: 'used' });
  expect(await type(code)).toEqual({ outcome: 'ended', reason: 'used' });
});

test('a link with one character changed is none', async () => {
  const { linkToken } = await begin();
  const other = (linkToken.startsWith('A') ? 'B' : 'A') + linkToken.slice(1);
  expect(await findProofByLink(database.db, other)).toBeUndefined();
  expect(await follow(other)).toEqual({ outcome: 'ended', reason: 'none' });
  expect(await work(open => denyProof(open, other))).toBe(false);
});

test('"Not me" kills code and link', async () => {
  const { id, code, linkToken } = await begin();
  expect(await work(open => denyProof(open, linkToken))).toBe(true);
  expect(await work(open => denyProof(open, linkToken))).toBe(false);
  expect(await type(code)).toEqual({ outcome: 'ended', reason: 'denied' });
  expect(await follow(linkToken)).toEqual({ outcome: 'ended', reason: 'denied' });
  expect(await findProofByLink(database.db, linkToken)).toMatchObject({ state: 'denied' });
  expect(await factsOf(id)).toEqual(['email_proof.sent', 'email_proof.denied']);
});

test('"Not me" after the fact changes nothing', async () => {
  const { id, code, linkToken } = await begin();
  await type(code);
  expect(await work(open => denyProof(open, linkToken))).toBe(false);
  expect(await rowOf(id)).toMatchObject({ ended_at: null });
});

test('asking again ends the earlier one and starts its five tries anew', async () => {
  const first = await begin({ accountId: uuidv7() });
  await type(wrong(first.code));
  const second = await begin({ address: 'grace@example.com' });
  expect(await follow(first.linkToken)).toEqual({ outcome: 'ended', reason: 'replaced' });
  expect(await findProofByLink(database.db, first.linkToken)).toMatchObject({ state: 'replaced' });
  expect(await type(first.code)).toEqual({ outcome: 'wrong', triesLeft: 4 });
  expect(await type(second.code)).toMatchObject({ outcome: 'proved', address: 'grace@example.com' });
  expect(await factsOf(first.id)).toEqual(['email_proof.sent', 'email_proof.failed', 'email_proof.ended']);
});

test('asking twenty times at once leaves one open', async () => {
  const begun = await Promise.all(Array.from({ length: 20 }, () => begin()));
  const { rows } = await database.db.raw(
    'SELECT id FROM email_proofs WHERE binding = ? AND used_at IS NULL AND ended_at IS NULL',
    [binding],
  );
  expect(rows).toHaveLength(1);
  const open = begun.find(({ id }) => id === rows[0].id);
  expect((await type(open?.code ?? '')).outcome).toBe('proved');
});

test('nothing to prove is no proof', async () => {
  expect(await type('12345678')).toEqual({ outcome: 'ended', reason: 'none' });
});

test('a decoy answers as a real one does and never proves', async () => {
  const real = await begin();
  const other = uuidv7();
  const decoy = await begin({ binding: other, decoy: true });
  expect(Object.keys(decoy)).toEqual(Object.keys(real));
  expect([decoy.code, decoy.linkToken]).toEqual([
    expect.stringMatching(/^\d{8}$/),
    expect.stringMatching(/^[\w-]{43}$/),
  ]);
  const answers = async (where: string, code: string) => {
    const given = [];
    for (let n = 0; n < 6; n++)
      given.push(await type(n < 4 ? wrong(code, n) : wrong(code), { binding: where }));
    return given;
  };
  expect(await follow(decoy.linkToken, { binding: other })).toEqual({ outcome: 'ended', reason: 'none' });
  expect(await findProofByLink(database.db, decoy.linkToken)).toBeUndefined();
  expect(await answers(other, decoy.code)).toEqual(await answers(binding, real.code));
  expect(await factsOf(decoy.id)).toEqual(await factsOf(real.id));
  const again = await begin({ binding: other, decoy: true });
  expect(await type(again.code, { binding: other })).toEqual({ outcome: 'wrong', triesLeft: 4 });
  await expire(again.id);
  expect(await type(again.code, { binding: other })).toEqual({ outcome: 'ended', reason: 'expired' });
});

test('a decoy never proves, whatever its digests say', async () => {
  const { id, code, linkToken } = await begin();
  await database.db.raw('UPDATE email_proofs SET decoy = true WHERE id = ?', [id]);
  expect(await type(code)).toEqual({ outcome: 'wrong', triesLeft: 4 });
  expect((await follow(linkToken)).outcome).toBe('ended');
});

test('neither code nor link is stored, and no fact holds the address', async () => {
  const { id, code, linkToken } = await begin();
  await type(wrong(code));
  const { rows } = await database.db.raw(
    `SELECT (SELECT row_to_json(p)::text FROM email_proofs p WHERE id = :id) AS proof,
       (SELECT string_agg(row_to_json(e)::text, '') FROM events e WHERE detail->>'proof' = :of) AS facts`,
    { id, of: id },
  );
  expect(rows[0].proof).not.toContain(code);
  expect(rows[0].proof).not.toContain(linkToken);
  expect(rows[0].facts).not.toMatch(/example\.com/);
});

test('every fact recorded is in the list', async () => {
  const { rows } = await database.db.raw(`SELECT DISTINCT type FROM events WHERE type LIKE 'email%'`);
  for (const { type: recorded } of rows as { type: string }[]) expect(CONTACT_FACTS).toContain(recorded);
});

test('a work that fails after a proof leaves it unused', async () => {
  const { id, code } = await begin();
  const failed = work(async open => {
    await tryCode(open, keyring, { binding, purpose: 'sign-in', code });
    throw new Error('later trouble');
  });
  await expect(failed).rejects.toThrow('later trouble');
  expect(await rowOf(id)).toMatchObject({ used_at: null });
  expect(await factsOf(id)).toEqual(['email_proof.sent']);
});

test('proofs go an hour after they expired, not before', async () => {
  const [old, recent] = [await begin(), await begin({ binding: uuidv7() })];
  await expire(recent.id);
  await database.db.raw(`UPDATE email_proofs SET expires_at = now() - interval '61 minutes' WHERE id = ?`, [
    old.id,
  ]);
  const signal = new AbortController().signal;
  await sweepProofs(database.db).run({}, { id: '1', attempt: 1, last: false, signal });
  expect(await rowOf(old.id)).toBeUndefined();
  expect(await rowOf(recent.id)).toBeDefined();
});

test('the first address of an account is its primary one; adding it twice is one fact', async () => {
  const accountId = uuidv7();
  await database.db.raw('INSERT INTO accounts (id, opened_at, updated_at) VALUES (?, now(), now())', [
    accountId,
  ]);
  await work(open => addVerifiedEmail(open, accountId, 'ada@example.com'));
  await work(open => addVerifiedEmail(open, accountId, 'ada@work.example'));
  await work(open => addVerifiedEmail(open, accountId, 'ada@example.com'));
  const held = await listEmails(database.db, accountId);
  expect(held.map(({ address, isPrimary }) => [address, isPrimary])).toEqual([
    ['ada@example.com', true],
    ['ada@work.example', false],
  ]);
  expect(held[0]?.verifiedAt).toBeInstanceOf(Date);
  const { rows } = await database.db.raw(
    `SELECT detail FROM events WHERE type = 'email_address.added' AND account_id = ?`,
    [accountId],
  );
  expect(rows).toEqual([{ detail: {} }, { detail: {} }]);
});
