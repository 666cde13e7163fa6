import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { commandsOf, sendCommands } from '../../src/domain/commands/commands.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { register } from '../support/keyhold.js';
import { type Behaviour, openReceiver, type Receiver, stating } from '../support/receiver.js';

const TELLER = fileURLToPath(new URL('../support/teller.js', import.meta.url));
const SECRET = 'a secret that is only good for tests';
const issuer = new URL('http://localhost:4000');

let database: TestDatabase;
let receiver: Receiver;
let children: ChildProcess[] = [];
/** What an app does with a command that it gets for the first time. */
let first: 'dies unheard' | 'dies unanswered' | 'answers' = 'answers';
const seen = new Set<string>();

beforeAll(async () => {
  database = await openTestDatabase();
  const behave: Behaviour = (received, response) => {
    const jti = String(received.said.jti);
    const isNew = !seen.has(jti);
    seen.add(jti);
    if (isNew && first !== 'answers') {
      /* The message has arrived; the process is gone before, or while, the answer is on its way. */
      if (first === 'dies unheard') stating('unknown')(received, response);
      for (const child of children) child.kill('SIGKILL');
      return undefined;
    }
    return stating('unknown')(received, response);
  };
  receiver = await openReceiver({ '/commands': behave });
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await receiver?.close();
  await database?.close();
});

async function runTeller(later: number): Promise<string> {
  const args = [TELLER, database.url, SECRET, issuer.href, String(later)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  children = [child];
  const [code, signal] = await once(child, 'exit');
  return String(signal ?? code);
}

test.each(['dies unheard', 'dies unanswered'] as const)(
  'a process that is killed between telling and writing down (%s) tells it again under the same name, and no other',
  async way => {
    const config = { issuer, allowPrivateNetwork: true };
    const { client_id: clientId } = await register(database.db, config, {
      redirect_uris: ['http://127.0.0.1:9/back'],
      command_endpoint: receiver.url('/commands'),
      commands_supported: ['delete'],
    });
    const reason = { kind: 'deletion', id: uuidv7() };
    const [id] = await openWork(database.db, { kind: 'system' }, work =>
      sendCommands(work, openKeyring(SECRET), [{ clientId, command: 'delete', reason, subject: 'somebody' }]),
    );
    const before = receiver.received.length;
    first = way;
    expect(await runTeller(0)).toBe('SIGKILL');
    const [killed] = (await commandsOf(database.db, reason)).commands;
    expect(killed).toMatchObject({ attempts: 1, endedAt: undefined });
    first = 'answers';
    /* Nobody else takes it while it might still be told; a minute later somebody does. */
    expect(await runTeller(0)).toBe('0');
    expect(receiver.received).toHaveLength(before + 1);
    expect(await runTeller(61_000)).toBe('0');
    expect(receiver.received.slice(before).map(({ said }) => said.jti)).toEqual([id, id]);
    const [told] = (await commandsOf(database.db, reason)).commands;
    expect(told).toMatchObject({ state: 'confirmed', attempts: 2 });
    const events = await database
      .db('events')
      .whereRaw(`detail ->> 'id' = ?`, [id ?? ''])
      .orderBy('id');
    expect(events.map(({ type }) => type)).toEqual(['command.sent', 'command.answered']);
  },
);
