import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import {
  allCommands,
  commandsOf,
  findCommand,
  forget,
  giveUpCommand,
  retryCommand,
  routeOf,
  sendCommands,
  settleCommand,
  type Telling,
} from '../../../src/domain/commands/commands.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { openWork, type Work } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

const keyring = openKeyring('a secret that is only good for tests');

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(() => database?.close());

const working = <T>(act: (work: Work) => Promise<T>) => openWork(database.db, { kind: 'system' }, act);
const reason = () => ({ kind: 'deletion', id: uuidv7() });
const telling = (more: Partial<Telling> = {}): Telling => ({
  clientId: 'app_one',
  command: 'delete',
  reason: reason(),
  subject: 'a subject of nobody',
  ...more,
});
const jobs = async () =>
  (
    await database.db.raw(`SELECT identifier AS name, payload FROM graphile_worker._private_jobs j
     JOIN graphile_worker._private_tasks t ON t.id = j.task_id ORDER BY j.id`)
  ).rows;

async function sent(more: Partial<Telling> = {}): Promise<string> {
  const [id = ''] = await working(work => sendCommands(work, keyring, [telling(more)]));
  return id;
}

test('a step that is done again tells no app twice, and leaves one event and one job', async () => {
  const about = reason();
  const tellings = ['app_one', 'app_two'].map(clientId => telling({ clientId, reason: about }));
  const before = (await jobs()).length;
  const sent = await working(async work => {
    const one = await sendCommands(work, keyring, tellings.slice(0, 1));
    return [...one, ...(await sendCommands(work, keyring, tellings.slice(1)))];
  });
  expect(sent).toHaveLength(2);
  expect(await working(work => sendCommands(work, keyring, tellings))).toEqual([]);
  expect(await jobs()).toHaveLength(before + 1);
  const events = await database
    .db('events')
    .where({ type: 'command.sent' })
    .whereRaw(`detail ->> 'about' = ?`, [about.id]);
  expect(events).toHaveLength(2);
  const first = await commandsOf(database.db, about, { limit: 1 });
  expect(first.commands.map(({ clientId, state }) => [clientId, state])).toEqual([['app_one', 'waiting']]);
  const rest = await commandsOf(database.db, about, first.after ? { after: first.after } : {});
  expect(rest.commands.map(({ clientId }) => clientId)).toEqual(['app_two']);
  expect(rest.after).toBeUndefined();
});

test('what is told stands nowhere in clear, and is gone when the app has confirmed it', async () => {
  const id = await sent({ subject: 'a very telling subject', claims: { email: 'ada@example.test' } });
  const row = async () => (await database.db('commands').where({ id }).first()) ?? {};
  const text = JSON.stringify([await row(), (await row()).sealed.toString('latin1'), await jobs()]);
  expect(text).not.toMatch(/very telling|ada@example/);
  await working(work => settleCommand(work, id, ['waiting'], { state: 'confirmed', answer: 'done' }));
  expect((await row()).sealed).toBeNull();
});

test('a command that ends wakes whoever waits for it, in the same work', async () => {
  const about = reason();
  const id = await sent({ reason: about, wakes: 'deletion-step' });
  await working(work => settleCommand(work, id, ['waiting'], { state: 'accepted', answer: 'later' }));
  expect((await jobs()).filter(({ name }: { name: string }) => name === 'deletion-step')).toEqual([]);
  await working(work =>
    settleCommand(work, id, ['accepted'], { state: 'kept', answer: 'kept', note: 'Invoices' }),
  );
  expect((await jobs()).filter(({ name }: { name: string }) => name === 'deletion-step')).toEqual([
    { name: 'deletion-step', payload: { reason: about.id } },
  ]);
  expect(
    await working(work =>
      settleCommand(work, id, ['waiting', 'accepted'], { state: 'refused', answer: 'no' }),
    ),
  ).toBeUndefined();
  expect(await findCommand(database.db, id)).toMatchObject({
    state: 'kept',
    note: 'Invoices',
    tellable: false,
  });
});

test('what is stuck is told anew or given up, and what is over is neither', async () => {
  const id = await sent();
  await working(work => settleCommand(work, id, ['waiting'], { state: 'unreachable', answer: 'no_answer' }));
  const stuck = async () => (await allCommands(database.db, 'stuck')).commands.map(each => each.id);
  expect(await stuck()).toEqual([id]);
  expect(await working(work => retryCommand(work, keyring, id))).toMatchObject({
    state: 'waiting',
    attempts: 0,
    round: 2,
  });
  expect(await stuck()).toEqual([]);
  expect(await working(work => giveUpCommand(work, id))).toMatchObject({
    state: 'unreachable',
    answer: 'given_up',
  });
  expect(await stuck()).toEqual([]);
  await expect(working(work => retryCommand(work, keyring, id))).rejects.toMatchObject({
    code: 'command_is_over',
  });
  await expect(working(work => giveUpCommand(work, id))).rejects.toMatchObject({ code: 'command_is_over' });
});

test('an account that goes is forgotten here: what apps have to delete is still told, the rest ends', async () => {
  const accountId = uuidv7();
  const [deletes, corrects] = [await sent({ accountId }), await sent({ accountId, command: 'maintain' })];
  await working(work => forget(work, accountId));
  expect(await database.db('commands').where({ account_id: accountId })).toEqual([]);
  expect(await findCommand(database.db, deletes)).toMatchObject({ state: 'waiting', tellable: true });
  expect(await findCommand(database.db, corrects)).toMatchObject({ state: 'unreachable', tellable: false });
});

test('an app is told by the way that it can answer best', () => {
  const everything = {
    command_endpoint: 'https://app.test/commands',
    commands_supported: ['audit', 'delete_async'],
    risc_endpoint: 'https://app.test/risc',
    webhook_uri: 'https://app.test/webhook',
  };
  expect(routeOf(everything, 'delete')).toEqual({
    channel: 'command',
    url: 'https://app.test/commands',
    wire: 'delete_async',
  });
  expect(routeOf(everything, 'suspend')).toMatchObject({ channel: 'risc', url: 'https://app.test/risc' });
  expect(routeOf(everything, 'maintain')).toMatchObject({ channel: 'webhook', wire: 'account.maintain' });
  expect(routeOf(everything, 'maintain', { email: 'old@example.test' })).toMatchObject({ channel: 'risc' });
  expect(routeOf({}, 'delete')).toEqual({ channel: 'none' });
});
