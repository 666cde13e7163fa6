import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fetch } from 'undici';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import { addVerifiedEmail } from '../../src/domain/contacts/contacts.js';
import { askExport, listFiles, openExport } from '../../src/domain/exports/exports.js';
import { exportJob } from '../../src/journeys/privacy/export-job.js';
import { zipOf } from '../../src/journeys/privacy/zip.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import type { Rig, Server } from './rig.js';

/** What came of copying a long history. */
export interface ExportsResult {
  readonly rows: number;
  readonly seconds: number;
  readonly zipMegabytes: number;
  /** How much more a process held at most than before, in megabytes. */
  readonly grewMegabytes: number;
  /** How long the home page took meanwhile, in milliseconds, for nineteen of twenty. */
  readonly pageP95: number;
  readonly problems: readonly string[];
}

const EVENTS = `
  INSERT INTO events (id, at, type, actor_kind, actor_id, account_id, detail)
  SELECT CAST(lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') AS uuid),
    to_timestamp(1700000000 + n / 1000.0), (ARRAY['session.authenticated', 'app.entered', 'sign_in.failed'])[1 + n % 3],
    'person', $1::text, $1::text::uuid, '{"acr": "aal1"}'
  FROM generate_series(1, $2::int) n`;

/** Copies somebody to whom a million things happened, while the process that does so is killed. */
export async function runExports(
  rig: Rig,
  { rows, kills }: { readonly rows: number; readonly kills: number },
  progress: (sentence: string) => void,
): Promise<ExportsResult> {
  const { place } = rig;
  const keyring = openKeyring(rig.secret);
  const accountId = newAccountId();
  const email = `${accountId}@example.test`;
  await openWork(place.db, { kind: 'system' }, async work => {
    await openAccount(work, keyring, { id: accountId, email, language: 'en' });
    await addVerifiedEmail(work, accountId, email);
  });
  /* What was put in by hand is in no chain. */
  await place.ask('ALTER TABLE events DISABLE TRIGGER USER');
  await place.ask(EVENTS, [accountId, rows]);
  await place.ask('ALTER TABLE events ENABLE TRIGGER USER');
  await place.ask('ANALYZE events');
  progress(`${rows} events`);
  const before = await Promise.all(rig.servers.map(held));
  const began = Date.now();
  const id = await openWork(place.db, { kind: 'person', id: accountId }, async work => {
    const asked = await askExport(work, keyring, { accountId, scope: 'access', language: 'en' });
    if (asked.outcome !== 'asked') throw new Error(asked.outcome);
    work.enqueue(exportJob({ accountId, id: asked.id }));
    return asked.id;
  });
  const copy = () => openExport(place.db, keyring, { accountId, id });
  const [waits, grew]: [number[], number[]] = [[], []];
  const problems: string[] = [];
  let killed = 0;
  for (let now = await copy(); now?.state !== 'ready'; now = await copy()) {
    if (!now) throw new Error('the copy is over');
    const asked = Date.now();
    const answer = await fetch(`${rig.issuer}/`, { dispatcher: rig.front }).catch(() => undefined);
    await answer?.body?.cancel();
    waits.push(Date.now() - asked);
    for (const [at, server] of rig.servers.entries()) grew.push((await held(server)) - (before[at] ?? 0));
    if (killed < kills && now.rows > (rows / (kills + 1)) * (killed + 1)) {
      killed += 1;
      progress(`killed after ${now.rows} rows`);
      /* Whichever of them makes it. */
      for (const server of rig.servers) await server.end('SIGKILL');
      for (const server of rig.servers) await server.start();
    }
    await pause(200);
  }
  const seconds = Math.round((Date.now() - began) / 1000);
  const made = await copy();
  if (!made) throw new Error('the copy is over');
  let bytes = 0;
  for await (const chunk of await zipOf(place.db, made)) bytes += (chunk as Buffer).length;
  const paths: string[] = [];
  let told = 0;
  for await (const file of listFiles(place.db, made)) {
    paths.push(file.path);
    if (file.about === 'history' && file.path.startsWith('data/')) told += file.rows ?? 0;
  }
  if (new Set(paths).size !== paths.length) problems.push('a file is there twice');
  if (told < rows) problems.push(`${told} of ${rows} things that happened are in it`);
  const mails = await place.db('messages').where({ account_id: accountId, template: 'notice/export_ready' });
  if (mails.length !== 1) problems.push(`${mails.length} mails say that it is ready`);
  const grewMegabytes = Math.round(Math.max(...grew));
  if (grewMegabytes > 200) problems.push(`a process grew by ${grewMegabytes} MB`);
  waits.sort((a, b) => a - b);
  const pageP95 = waits[Math.floor(waits.length * 0.95)] ?? 0;
  return { rows: told, seconds, zipMegabytes: Math.round(bytes / 1e6), grewMegabytes, pageP95, problems };
}

async function held(server: Server): Promise<number> {
  const status = await readFile(`/proc/${server.pid()}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}
