import { v7 as uuidv7 } from 'uuid';
import { listMessages, MESSAGE_FILTERS, type MessageFilter } from '../src/domain/messages/messages.js';
import { openKeyring } from '../src/platform/crypto/keyring.js';
import { type Db, openDatabase } from '../src/platform/storage/db.js';
import { newSubjectKey } from '../src/platform/storage/origin.js';
import { openCluster } from './cluster.js';
import { HISTORY_PAGES, plantHistory, readPage, writeOut } from './history.js';
import { quantile } from './statistics.js';

// Whether a page of messages, or of the history, takes as long for 100,000 rows as for ten: `npm run bench:lists`.

const SIZES = [10, 1_000, 10_000, 100_000];
const ROUNDS = 200;
const PAGE = 20;
const keyring = openKeyring('a secret of a bench that is long enough for it');

/** An account with so many messages, of every kind and outcome, and the id in the middle of them. */
async function plant(db: Db, size: number): Promise<{ readonly accountId: string; readonly middle: string }> {
  const accountId = uuidv7();
  await db('accounts').insert({
    id: accountId,
    state: 'active',
    language: 'en',
    opened_at: new Date(),
    updated_at: new Date(),
  });
  await db('subject_keys').insert({ account_id: accountId, sealed: newSubjectKey(keyring, accountId) });
  await db.raw(
    `INSERT INTO messages (account_id, id, channel, kind, template, template_version, language, topic, opt_in, sealed,
       queued_at, state_at, state)
     SELECT :accountId, ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'email', k, 'notice', '1', 'en',
       CASE k WHEN 'topic' THEN 'news' END, CASE k WHEN 'topic' THEN gen_random_uuid() END, '\\x00', now(), now(),
       CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'sent' END
     FROM (SELECT n, CASE WHEN n % 20 = 0 THEN 'topic' WHEN n % 7 = 0 THEN 'security' ELSE 'code' END AS k
       FROM generate_series(1, CAST(:size AS integer)) n) many`,
    { accountId, size },
  );
  const middle = `00000000-0000-7000-8000-${String(Math.ceil(size / 2)).padStart(12, '0')}`;
  return { accountId, middle };
}

async function measure(act: () => Promise<unknown>): Promise<string> {
  for (let warm = 0; warm < 20; warm++) await act();
  const took: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    await act();
    took.push(performance.now() - began);
  }
  return `${quantile(took, 0.5).toFixed(2)} / ${quantile(took, 0.95).toFixed(2)}`;
}

const cluster = await openCluster(undefined);
const db = openDatabase(cluster.url);
const owner = openDatabase(cluster.ownerUrl);
try {
  const planted = [];
  for (const size of SIZES) planted.push({ size, ...(await plant(db, size)) });
  await owner.raw('ANALYZE messages');
  const asked: readonly (readonly [string, MessageFilter | undefined, boolean])[] = [
    ['newest', undefined, false],
    ['from the middle', undefined, true],
    ...MESSAGE_FILTERS.map(only => [only, only, false] as const),
  ];
  process.stdout.write(
    `A page of ${PAGE} messages, milliseconds (median / 95 of 100), of as many messages:\n\n`,
  );
  process.stdout.write(`| | ${SIZES.join(' | ')} |\n|---|${SIZES.map(() => '---|').join('')}\n`);
  for (const [name, only, deep] of asked) {
    const cells = [];
    for (const { accountId, middle } of planted) {
      const listed = { accountId, limit: PAGE, ...(only && { only }), ...(deep && { before: middle }) };
      cells.push(await measure(() => listMessages(db, keyring, listed)));
    }
    process.stdout.write(`| ${name} | ${cells.join(' | ')} |\n`);
  }

  const accounts = [];
  for (const size of SIZES) accounts.push(await plantHistory(db, keyring, size));
  await owner.raw('ANALYZE events');
  process.stdout.write(`\nA page of the history, of as many events:\n\n| | ${SIZES.join(' | ')} |\n`);
  process.stdout.write(`|---|${SIZES.map(() => '---|').join('')}\n`);
  for (const [name, filter] of HISTORY_PAGES) {
    const cells = [];
    for (const account of accounts) cells.push(await measure(() => readPage(db, keyring, account, filter)));
    process.stdout.write(`| ${name} | ${cells.join(' | ')} |\n`);
  }
  const written = [];
  for (const account of accounts) written.push(await writeOut(db, keyring, account));
  process.stdout.write(`| all, as CSV | ${written.join(' | ')} |\n`);
} finally {
  await Promise.all([db.destroy(), owner.destroy()]);
  await cluster.close();
}
