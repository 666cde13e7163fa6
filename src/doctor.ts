import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Config, Settings } from './config.js';
import { findDatabase } from './database.js';
import { watchDeletions } from './deletions-watch.js';
import { type ChainState, chainState, lastHeadAt } from './domain/audit/audit.js';
import { countCommands } from './domain/commands/commands.js';
import { countRights } from './domain/rights/rights.js';
import { watchDomains, watchProviders } from './federation-watch.js';
import { missingAlgorithms } from './oidc/keys.js';
import { openKeyring } from './platform/crypto/keyring.js';
import { tryTransport } from './platform/mail/mail.js';
import { openDatabase } from './platform/storage/db.js';
import { type Inspection, inspectDatabase } from './platform/storage/inspect.js';

/** What a look at one thing says: in order, worth knowing, or in the way. */
type Finding = readonly [weight: 'ok' | 'note' | 'problem', sentence: string];

/** How many connections one process opens at most. */
const CONNECTIONS = 20;
const FREE_BYTES = 500_000_000;
const PATIENCE = 10_000;

/** Looks at everything the server needs, says each in a sentence, and gives the exit code: 1 when something is in the way. */
export async function runDoctor(settings: Settings, print: (text: string) => void): Promise<number> {
  let problems = 0;
  const tell = (findings: readonly Finding[]) => {
    for (const [weight, sentence] of findings) print(`${weight.padEnd(9)}${sentence}\n`);
    problems += findings.filter(([weight]) => weight === 'problem').length;
  };
  tell([['ok', `The settings can be used: ${settings.issuer.origin} on port ${settings.port}.`]]);
  tell(await lookAtInstallation(settings));
  tell(await lookAtMail(settings));
  tell([lookAtSms(settings)]);
  tell(await lookAtDisk(settings.dataDir));
  tell(await lookAtIssuer(settings));
  const count = problems === 1 ? 'One problem' : `${problems} problems`;
  print(problems === 0 ? 'Nothing is in the way.\n' : `${count} to be solved.\n`);
  return problems === 0 ? 0 : 1;
}

async function lookAtInstallation(settings: Settings): Promise<readonly Finding[]> {
  try {
    const found = await findDatabase(settings);
    if (!found)
      return [['note', `There is no database in ${settings.dataDir} yet; the first start makes it.`]];
    try {
      const inspection = await inspectDatabase(found.config.databaseUrl);
      const findings = judgeDatabase(inspection, settings);
      if (inspection.pending.length > 0) return findings;
      return [
        ...findings,
        await lookAtKeys(found.config),
        ...(await lookAtChain(found.config)),
        await lookAtCommands(found.config),
        await lookAtRights(found.config),
        ...(await lookAtDeletions(found.config)),
        ...(await lookAtProviders(found.config)),
      ];
    } finally {
      await found.stop();
    }
  } catch (error) {
    return [['problem', reasonOf(error)]];
  }
}

/** What an inspection means for whoever runs the server. */
export function judgeDatabase(seen: Inspection, settings: Pick<Settings, 'workers'>): readonly Finding[] {
  const findings: Finding[] = [
    ['ok', `The database answers: Postgres ${seen.version}, as the role ${seen.role}.`],
  ];
  if (seen.pending.length > 0) {
    const steps = seen.pending.join(', ');
    findings.push(['problem', `The tables are behind (${steps}); run keyhold migrate, or start the server.`]);
  } else findings.push(['ok', 'The tables are up to date.']);
  findings.push(judgeRole(seen));
  const apart = Math.round(Math.abs(seen.ahead) / 100) / 10;
  const clocks = `The clocks of this machine and of the database are ${apart} s apart`;
  if (apart > 5)
    findings.push(['problem', `${clocks}; let both be set by NTP, since tokens and codes expire by them.`]);
  else findings.push(['ok', `${clocks}.`]);
  const needed = settings.workers * CONNECTIONS;
  if (needed > seen.connections) {
    const sentence = `${settings.workers} processes may open ${needed} connections and Postgres lets ${seen.connections} in; raise max_connections or lower KEYHOLD_WORKERS.`;
    findings.push(['problem', sentence]);
  }
  return findings;
}

function judgeRole({ role, ownsTables, withheld, changesEvents }: Inspection): Finding {
  if (withheld.length > 0) {
    return [
      'problem',
      `The role ${role} may not read and write ${withheld.join(', ')}; keyhold migrate grants it that.`,
    ];
  }
  if (changesEvents) {
    return [
      'problem',
      `The role ${role} may change events, which are only to be added to; revoke UPDATE and DELETE.`,
    ];
  }
  if (ownsTables) {
    return [
      'note',
      `The server works as ${role}, who owns the tables: name a lesser role in KEYHOLD_DATABASE_URL and ${role} in KEYHOLD_MIGRATION_DATABASE_URL, and what went wrong in the server could not alter them.`,
    ];
  }
  return ['ok', `The role ${role} may read and write, and neither alter tables nor change events.`];
}

async function lookAtKeys({ databaseUrl, secret }: Config): Promise<Finding> {
  const db = openDatabase(databaseUrl);
  try {
    const missing = await missingAlgorithms(db, openKeyring(secret));
    if (missing.length > 0)
      return ['note', `No key signs ${missing.join(', ')} yet; the next start makes it.`];
    return ['ok', 'The signing keys can be opened.'];
  } catch (error) {
    return ['problem', `The signing keys cannot be used: ${reasonOf(error)}`];
  } finally {
    await db.destroy();
  }
}

async function lookAtCommands({ databaseUrl }: Config): Promise<Finding> {
  const db = openDatabase(databaseUrl);
  try {
    const { open, stuck } = await countCommands(db);
    const sentence = `Apps have to be told ${open} things about people, and ${stuck} are stuck`;
    return stuck === 0 ? ['ok', `${sentence}.`] : ['note', `${sentence}; look at keyhold commands list.`];
  } finally {
    await db.destroy();
  }
}

async function lookAtRights({ databaseUrl }: Config): Promise<Finding> {
  const db = openDatabase(databaseUrl);
  try {
    return judgeRights(await countRights(db, new Date()));
  } finally {
    await db.destroy();
  }
}

/** What it means that so many requests of people about their data wait. */
export function judgeRights(counts: {
  readonly open: number;
  readonly soon: number;
  readonly overdue: number;
}): Finding {
  const { open, soon, overdue } = counts;
  const sentence = `${open} requests of people about their data wait for an answer`;
  if (overdue > 0)
    return ['problem', `${sentence}, ${overdue} longer than the law allows; look at keyhold rights list.`];
  if (soon > 0)
    return ['note', `${sentence}, ${soon} of them for no more than a week; look at keyhold rights list.`];
  return ['ok', `${sentence}.`];
}

async function lookAtDeletions(config: Config): Promise<readonly Finding[]> {
  const db = openDatabase(config.databaseUrl);
  try {
    return await watchDeletions(db, config);
  } finally {
    await db.destroy();
  }
}

async function lookAtProviders(config: Config): Promise<readonly Finding[]> {
  const db = openDatabase(config.databaseUrl);
  try {
    return [...(await watchProviders(db, config)), ...(await watchDomains(db, config.issuer))];
  } finally {
    await db.destroy();
  }
}

async function lookAtChain({ databaseUrl, auditHeads: file }: Config): Promise<readonly Finding[]> {
  const db = openDatabase(databaseUrl);
  try {
    const headAt = file === undefined ? undefined : ((await lastHeadAt(file)) ?? null);
    return judgeChain(await chainState({ db }), headAt, new Date());
  } finally {
    await db.destroy();
  }
}

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;

/** What the state of the chain of events means; `headAt` is when its head was last written outside: null never, undefined nowhere. */
export function judgeChain(
  { events, waiting, checked }: ChainState,
  headAt: Date | null | undefined,
  now: Date,
): readonly Finding[] {
  const minutes = waiting.since ? Math.floor((now.getTime() - waiting.since.getTime()) / MINUTE) : 0;
  const late = `Events wait for the chain since ${minutes} minutes; is the server running, and does its log say why?`;
  const found = `The chain of events was found broken on ${checked?.at.toISOString().slice(0, 10)}; run keyhold audit verify.`;
  const whole = checked
    ? `was whole on ${checked.at.toISOString().slice(0, 10)}`
    : 'was not yet looked at as a whole';
  return [
    minutes > 10 ? ['problem', late] : ['ok', `${events} events are sealed.`],
    checked?.whole === false ? ['problem', found] : ['ok', `The chain of events ${whole}.`],
    judgeHeads(headAt, events, now),
  ];
}

function judgeHeads(headAt: Date | null | undefined, events: number, now: Date): Finding {
  if (headAt === undefined)
    return [
      'note',
      'Heads of the chain of events are written to the log alone; name a file outside of this machine in KEYHOLD_AUDIT_HEADS, or keep the log.',
    ];
  if (headAt === null && events > 0)
    return ['problem', 'There is no file at KEYHOLD_AUDIT_HEADS yet; may Keyhold write there?'];
  if (headAt && now.getTime() - headAt.getTime() > 2 * DAY && events > 0)
    return [
      'problem',
      `No head was written to KEYHOLD_AUDIT_HEADS since ${headAt.toISOString().slice(0, 10)}.`,
    ];
  return ['ok', 'Heads of the chain of events are written outside of the database.'];
}

async function lookAtMail({ smtpUrl, mailFrom, production }: Settings): Promise<readonly Finding[]> {
  if (smtpUrl === undefined) return [['ok', 'Mail goes to the mailbox at /dev/mailbox.']];
  const { host } = new URL(smtpUrl);
  try {
    await tryTransport(smtpUrl, { smtpUrl, mailFrom, production, patience: PATIENCE });
    return [['ok', `The mail server ${host} lets us in.`]];
  } catch (error) {
    return [
      ['problem', `The mail server ${host} cannot be used (${reasonOf(error)}); correct KEYHOLD_SMTP_URL.`],
    ];
  }
}

/* Nothing is sent: whoever wants to know whether it arrives has to pay for one. */
function lookAtSms({ sms, smsCountries, smsPerDay, production }: Settings): Finding {
  if (!sms && production)
    return ['note', 'Nobody sends text messages (KEYHOLD_SMS_PROVIDER), so nobody can add a phone number.'];
  if (!sms) return ['ok', 'Text messages go to the mailbox at /dev/mailbox.'];
  const where = smsCountries === '*' ? 'every country' : smsCountries.join(', ');
  return [
    smsCountries === '*' ? 'note' : 'ok',
    `Text messages go out by ${sms.provider} to ${where}, ${smsPerDay} a day at most.`,
  ];
}

async function lookAtDisk(folder: string): Promise<readonly Finding[]> {
  const disk = await statfs(folder).catch(() => undefined);
  if (!disk) return dirname(folder) === folder ? [] : lookAtDisk(dirname(folder));
  const free = disk.bavail * disk.bsize;
  const sentence = `The disk of ${folder} has ${Math.round(free / 1_000_000)} MB free`;
  return [
    free < FREE_BYTES
      ? ['problem', `${sentence}; make room, or set KEYHOLD_DATA_DIR.`]
      : ['ok', `${sentence}.`],
  ];
}

/* Not through the guard of outgoing calls: this is the operator's own host, which may well be a private address. */
async function lookAtIssuer({ issuer, production }: Settings): Promise<readonly Finding[]> {
  const url = new URL('/.well-known/openid-configuration', issuer);
  try {
    const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(PATIENCE) });
    if (answer.status !== 200) return [['problem', `${url.href} answers ${answer.status} instead of 200.`]];
    const { issuer: told } = (await answer.json()) as { readonly issuer?: unknown };
    if (told === issuer.origin) return [['ok', `Discovery answers at ${url.href}.`]];
    return [['problem', `${url.href} is somebody else's: its issuer is ${String(told)}.`]];
  } catch (error) {
    const sentence = `Nobody answers at ${url.href} (${reasonOf(error)}); start the server, or look at the proxy in front.`;
    return [[production ? 'problem' : 'note', sentence]];
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error && error instanceof TypeError) return reasonOf(cause);
  const code = 'code' in error ? String(error.code) : '';
  return error.message || code;
}
