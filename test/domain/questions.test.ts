import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import { standardSchema } from '../../src/domain/profiles/profiles.js';
import {
  answerQuestion,
  askedBefore,
  forgetQuestions,
  listSkippedQuestions,
  skipQuestion,
} from '../../src/domain/questions/questions.js';
import { missingOf } from '../../src/oidc/questions.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { recordedDuring } from '../support/ledger.js';

const keyring = openKeyring('a secret that is only good for tests');
const { schema } = standardSchema();

let database: TestDatabase;
let pool: pg.Pool;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 1 });
});

afterAll(async () => {
  await pool?.end();
  await database?.close();
});

const QUESTIONS = ['gender', 'nickname'].flatMap(attribute =>
  ['comfort', 'naming'].map(purpose => ({ attribute, purpose })),
);

const act = fc.record({
  question: fc.constantFrom(...QUESTIONS),
  clientId: fc.constantFrom('album', 'cinema'),
  outcome: fc.constantFrom('answered' as const, 'skipped' as const),
});

test('in whatever order, what was answered or skipped counts as asked for its purpose, and is on record once; an answer after a skip as well', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 8 }), async acts => {
      const accountId = newAccountId();
      const account = { id: accountId, email: `${accountId}@example.test`, language: 'en' };
      await openWork(database.db, { kind: 'person' }, work => openAccount(work, keyring, account));
      const stands = new Map<string, string>();
      for (const { question, clientId, outcome } of acts) {
        const key = `${question.attribute} ${question.purpose}`;
        const isNew = !stands.has(key) || (stands.get(key) === 'skipped' && outcome === 'answered');
        const settle = outcome === 'answered' ? answerQuestion : skipQuestion;
        const events = await recordedDuring(database.db, () =>
          openWork(database.db, { kind: 'person', id: accountId }, work =>
            settle(work, { accountId, clientId, ...question }),
          ),
        );
        expect(events.map(({ type }) => type)).toEqual(isNew ? [`question.${outcome}`] : []);
        if (isNew) stands.set(key, outcome);
        for (const { attribute, purpose } of QUESTIONS) {
          const over = await askedBefore(pool, accountId, [{ name: attribute, purpose }]);
          expect(over.has(attribute)).toBe(stands.has(`${attribute} ${purpose}`));
        }
      }
      const skipped = await listSkippedQuestions(database.db, accountId);
      const expected = [...stands].filter(([, outcome]) => outcome === 'skipped').map(([key]) => key);
      expect(skipped.map(({ attribute, purpose }) => `${attribute} ${purpose}`).sort()).toEqual(
        expected.sort(),
      );
      await database.db.transaction(tx => forgetQuestions(tx, accountId, 100));
      expect(await listSkippedQuestions(database.db, accountId)).toEqual([]);
    }),
    { numRuns: 15 },
  );
});

const CLAIMS = schema.attributes.map(({ name }) => name).concat('age_over_16', 'country', 'nonsense');

test('nothing is asked for that is known, that no claim of the request needs, or that nobody can type; nothing twice; the required first', () => {
  fc.assert(
    fc.property(
      fc.subarray(CLAIMS),
      fc.subarray(CLAIMS),
      fc.subarray(CLAIMS),
      fc.boolean(),
      (claims, requires, known, sure) => {
        const profile = Object.fromEntries(
          known.map(name => [name, name === 'birthdate' ? '1990-01-01' : 'x']),
        );
        const missing = missingOf(schema, { claims, requires, profile, sure });
        const names = missing.map(({ name }) => name);
        expect(new Set(names).size).toBe(names.length);
        expect(names.filter(name => known.includes(name))).toEqual([]);
        for (const never of ['picture', 'email', 'phone_number', 'locale', 'nonsense'])
          expect(names).not.toContain(never);
        if (!sure) expect(names).not.toContain('birthdate');
        for (const each of missing) {
          expect(each.claims.length).toBeGreaterThan(0);
          expect(each.claims.filter(claim => !claims.includes(claim))).toEqual([]);
          expect(each.required).toBe(each.claims.some(claim => requires.includes(claim)));
        }
        const first = missing.findIndex(({ required }) => !required);
        expect(missing.slice(first === -1 ? missing.length : first).some(({ required }) => required)).toBe(
          false,
        );
      },
    ),
    { numRuns: 300 },
  );
});
