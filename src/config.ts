import { isIPv4 } from 'node:net';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SETTINGS, type SettingName, type Values } from './settings.js';

/** The settings of one installation as they were given, checked as a whole. */
export interface Settings {
  readonly issuer: URL;
  /** The issuer's host is not this machine. */
  readonly production: boolean;
  readonly port: number;
  /** The addresses to listen on; none means every address. */
  readonly listen: readonly string[];
  readonly dataDir: string;
  readonly secret?: string;
  readonly databaseUrl?: string;
  readonly migrationDatabaseUrl?: string;
  readonly smtpUrl?: string;
  readonly mailFrom: string;
  /** Who sends text messages; nobody, or outside production the mailbox, when undefined. */
  readonly sms?: {
    readonly provider: 'twilio';
    readonly account: string;
    readonly secret: string;
    readonly from: string;
    readonly api: URL;
  };
  /** Where text messages go to (ISO 3166-1). */
  readonly smsCountries: readonly string[] | '*';
  /** How many text messages may leave in a day, all in all. */
  readonly smsPerDay: number;
  readonly trustedProxies: readonly string[];
  readonly allowPrivateNetwork: boolean;
  readonly rateLimits: boolean;
  readonly emailCodeSignIn: boolean;
  /** Whoever has one of these roles must have a second factor. */
  readonly secondStepRoles: readonly string[];
  readonly passwordHashScheme: 'bcrypt' | 'argon2id';
  readonly bcryptCost: number;
  readonly logLevel: string;
  /** Where metrics are scraped; nowhere when undefined. */
  readonly metricsPort?: number;
  readonly metricsListen: string;
  /** Whether traces leave by OTLP, as the standard `OTEL_…` names say. */
  readonly traces: boolean;
  /** How many processes serve behind the one port. */
  readonly workers: number;
  /** The MMDB file that says in which country a network address is; the shipped one without. */
  readonly places?: string;
  /** How many requests one process serves at a time. */
  readonly maxInFlight: number;
  /** How long a stopping process still takes requests, until nobody sends it any, in milliseconds. */
  readonly drainDelay: number;
  /** When accounts that nobody uses are put away, in days; never when undefined. */
  readonly dormancy?: {
    readonly after: number;
    readonly notices: number;
    readonly every: number;
    /** So many days after that they are deleted; never when undefined. */
    readonly deleteAfter?: number;
  };
  /** So many days a deletion can be undone before it begins. */
  readonly deletionWait: number;
  /** The file, or the folder of files, apart from the database, in which it is noted what was erased; nowhere when undefined. */
  readonly erasedList?: string;
  /** The file that the heads of the chain of events are added to, outside of the database. */
  readonly auditHeads?: string;
  /** How long is kept which messages were sent to whom, in days. */
  readonly messagesKept: number;
  /** How long events are kept, in days. */
  readonly eventsKept: number;
  /** How long what an app was told is shown after it has been told another value, in days. */
  readonly disclosuresKept: number;
  /** How many days an app is told something that it does not take. */
  readonly commandsTried: number;
  /** Hours that somebody waits who has lost their phone, and who has nothing stronger left than a password. */
  readonly lostPhoneWait: number;
  /** Where people turn to whom no page can help. */
  readonly support?: URL;
  /** What the operator should hear once at start. */
  readonly warnings: readonly string[];
}

/** The settings with what the data folder and the embedded database complete. */
export interface Config extends Settings {
  readonly secret: string;
  readonly databaseUrl: string;
  readonly migrationDatabaseUrl: string;
}

/** Everything that is wrong with the settings, in one message. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The settings cannot be used:\n${problems.map(problem => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** The environment a process was given. */
export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'KEYHOLD_';
/** Seen from `dist/src`. */
const CLONE = fileURLToPath(new URL('../../', import.meta.url));
/** Read by the tests alone, and often left in the environment of those who run them. */
const FOR_TESTS = 'KEYHOLD_TEST_DATABASE_URL';
/** What Kubernetes tells every pod of a service called keyhold or keyhold-something. */
const INJECTED =
  /^KEYHOLD_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;
const INJECTED_PORT = /^KEYHOLD_(\w+_)?PORT$/;

/** Reads the settings out of the environment, or throws one `ConfigError` that lists every problem. */
export function readConfig(env: Environment, readFile: (path: string) => string): Settings {
  const problems: string[] = [];
  const warnings: string[] = [];
  const texts = collect(env, readFile, problems, warnings);
  const values = readValues(texts, problems);
  const settings = { ...complete(values, warnings), traces: wantsTraces(env) };
  problems.push(...contradictions(values, settings, texts));
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(settings);
}

type Texts = Partial<Record<SettingName, string>>;

function collect(
  env: Environment,
  readFile: (path: string) => string,
  problems: string[],
  warnings: string[],
): Texts {
  const texts: Texts = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || name === FOR_TESTS || value === undefined) continue;
    if (INJECTED.test(name) || (INJECTED_PORT.test(name) && /^(tcp|udp|sctp):\/\//.test(value))) {
      warnings.push(`${name} is ignored: Kubernetes sets it for a service of that name.`);
      continue;
    }
    const inFile = name.endsWith('_FILE');
    const setting = name.slice(PREFIX.length, inFile ? -'_FILE'.length : undefined);
    if (!isSetting(setting)) problems.push(unknown(name));
    else if (value.trim() === '') continue;
    else if (texts[setting] !== undefined) {
      problems.push(`${PREFIX}${setting} and ${PREFIX}${setting}_FILE are both set; keep one.`);
    } else texts[setting] = inFile ? fileText(name, value, readFile, problems) : value.trim();
  }
  return texts;
}

function isSetting(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

function fileText(
  name: string,
  path: string,
  readFile: (path: string) => string,
  problems: string[],
): string {
  try {
    const text = readFile(path.trim()).trim();
    if (text === '') problems.push(`${name} names ${path}, which is empty.`);
    return text;
  } catch (error) {
    problems.push(
      `${name} names ${path}, which cannot be read (${error instanceof Error ? error.message : error}).`,
    );
    return '';
  }
}

function unknown(name: string): string {
  const known = Object.keys(SETTINGS).flatMap(each => [`${PREFIX}${each}`, `${PREFIX}${each}_FILE`]);
  const [nearest] = known
    .map(candidate => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const meant = nearest && nearest.distance <= 4 ? ` Did you mean ${nearest.candidate}?` : '';
  return `${name} is not a setting.${meant}`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const change = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function readValues(texts: Texts, problems: string[]): Values {
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const name of Object.keys(texts).filter(isSetting)) {
    if (!texts[name]) continue;
    const result = SETTINGS[name].safeParse(texts[name]);
    if (result.success) values[name] = result.data;
    else problems.push(...result.error.issues.map(issue => `${PREFIX}${name} ${issue.message}.`));
  }
  return values as Values;
}

function complete(values: Values, warnings: readonly string[]): Omit<Settings, 'traces'> {
  const port = values.PORT ?? portOf(values.ISSUER) ?? 3000;
  const issuer = values.ISSUER ?? new URL(`http://localhost:${port}`);
  const production = !isLoopback(issuer.hostname);
  const migrationDatabaseUrl = values.MIGRATION_DATABASE_URL ?? values.DATABASE_URL;
  return {
    issuer,
    production,
    port,
    listen: values.LISTEN ?? (production ? [] : ['127.0.0.1', '::1']),
    dataDir: values.DATA_DIR === undefined ? resolve(CLONE, '.keyhold') : resolve(values.DATA_DIR),
    ...(values.SECRET === undefined ? {} : { secret: values.SECRET }),
    ...(values.DATABASE_URL === undefined ? {} : { databaseUrl: values.DATABASE_URL }),
    ...(migrationDatabaseUrl === undefined ? {} : { migrationDatabaseUrl }),
    ...(values.SMTP_URL === undefined ? {} : { smtpUrl: values.SMTP_URL }),
    mailFrom: values.MAIL_FROM ?? `Keyhold <no-reply@${production ? issuer.hostname : 'localhost'}>`,
    ...smsOf(values),
    trustedProxies: values.TRUSTED_PROXIES ?? [],
    allowPrivateNetwork: values.ALLOW_PRIVATE_NETWORK ?? false,
    rateLimits: values.RATE_LIMITS ?? true,
    emailCodeSignIn: values.EMAIL_CODE_SIGN_IN ?? true,
    secondStepRoles: values.SECOND_STEP_ROLES ?? [],
    passwordHashScheme: values.PASSWORD_SCHEME ?? 'bcrypt',
    bcryptCost: values.BCRYPT_COST ?? 10,
    logLevel: values.LOG_LEVEL ?? (production ? 'info' : 'warn'),
    ...(values.METRICS_PORT === undefined ? {} : { metricsPort: values.METRICS_PORT }),
    metricsListen: values.METRICS_LISTEN ?? '127.0.0.1',
    workers: values.WORKERS === 'auto' ? availableParallelism() : (values.WORKERS ?? 1),
    ...(values.PLACES === undefined ? {} : { places: resolve(values.PLACES) }),
    maxInFlight: values.MAX_IN_FLIGHT ?? 250,
    ...dormancyOf(values),
    ...(values.AUDIT_HEADS === undefined ? {} : { auditHeads: resolve(values.AUDIT_HEADS) }),
    messagesKept: values.MESSAGES_KEPT ?? 1_095,
    eventsKept: values.EVENTS_KEPT ?? 1_095,
    deletionWait: values.DELETION_WAIT ?? 7,
    ...(values.ERASED_LIST === undefined ? {} : { erasedList: resolve(values.ERASED_LIST) }),
    disclosuresKept: values.DISCLOSURES_KEPT ?? 1_095,
    commandsTried: values.COMMANDS_TRIED ?? 7,
    lostPhoneWait: values.LOST_PHONE_WAIT ?? 72,
    ...(values.SUPPORT === undefined ? {} : { support: values.SUPPORT }),
    drainDelay: (values.DRAIN_DELAY ?? (production ? 3 : 0)) * 1_000,
    warnings,
  };
}

function dormancyOf({ DORMANCY_AFTER: after, ...values }: Values): Pick<Settings, 'dormancy'> {
  if (after === undefined) return {};
  const {
    DORMANCY_NOTICES: notices = 3,
    DORMANCY_EVERY: every = 30,
    DORMANCY_DELETE_AFTER: deleteAfter,
  } = values;
  return { dormancy: { after, notices, every, ...(deleteAfter !== undefined && { deleteAfter }) } };
}

function dormancyContradictions(texts: Texts): readonly string[] {
  if (texts.DORMANCY_AFTER !== undefined) return [];
  const alone = (['DORMANCY_NOTICES', 'DORMANCY_EVERY', 'DORMANCY_DELETE_AFTER'] as const).filter(
    name => texts[name] !== undefined,
  );
  return alone.map(name => `KEYHOLD_${name} is set without KEYHOLD_DORMANCY_AFTER; set both or neither.`);
}

function smsOf(values: Values): Pick<Settings, 'sms' | 'smsCountries' | 'smsPerDay'> {
  const { SMS_PROVIDER: provider, SMS_ACCOUNT: account, SMS_SECRET: secret, SMS_FROM: from } = values;
  const api = values.SMS_API ?? new URL('https://api.twilio.com');
  const complete = provider && account && secret && from;
  return {
    ...(complete ? { sms: { provider, account, secret, from, api } } : {}),
    smsCountries: values.SMS_COUNTRIES ?? '*',
    smsPerDay: values.SMS_PER_DAY ?? 1_000,
  };
}

/* A country that nobody chose is how toll fraud is paid for. */
function smsContradictions(texts: Texts): readonly string[] {
  if (texts.SMS_PROVIDER === undefined) {
    const rest = (['SMS_ACCOUNT', 'SMS_SECRET', 'SMS_FROM', 'SMS_API'] as const).filter(name => texts[name]);
    return rest.map(name => `KEYHOLD_${name} is set without KEYHOLD_SMS_PROVIDER; set both.`);
  }
  return (['SMS_ACCOUNT', 'SMS_SECRET', 'SMS_FROM', 'SMS_COUNTRIES'] as const)
    .filter(name => texts[name] === undefined)
    .map(name => `KEYHOLD_${name} is required with KEYHOLD_SMS_PROVIDER.`);
}

/** Whether the standard names of OpenTelemetry say where traces go; the SDK reads the rest of them itself. */
function wantsTraces(env: Environment): boolean {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none')
    return false;
  return Boolean(env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT']);
}

// A loopback issuer says where it is tried; a public one stands behind a proxy.
function portOf(issuer: URL | undefined): number | undefined {
  const local = issuer && issuer.protocol === 'http:' && isLoopback(issuer.hostname);
  return local && issuer.port !== '' ? Number(issuer.port) : undefined;
}

/** Whether a URL's host name is this machine. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/\.$/, '');
  if (name === 'localhost' || name.endsWith('.localhost') || name === '[::1]') return true;
  return isIPv4(name) && name.startsWith('127.');
}

function contradictions(values: Values, settings: Settings, texts: Texts): readonly string[] {
  const found: string[] = [...smsContradictions(texts), ...dormancyContradictions(texts)];
  if (texts.MIGRATION_DATABASE_URL !== undefined && texts.DATABASE_URL === undefined) {
    found.push('KEYHOLD_MIGRATION_DATABASE_URL is set without KEYHOLD_DATABASE_URL; set both.');
  }
  if (settings.metricsPort === settings.port) {
    found.push('KEYHOLD_METRICS_PORT is the port of the server itself; metrics need another one.');
  }
  if (!values.ISSUER || !settings.production) return found;
  const host = settings.issuer.hostname;
  if (settings.sms && settings.sms.api.protocol !== 'https:') {
    found.push(`KEYHOLD_SMS_API must be https, since ${host} is not this machine.`);
  }
  if (settings.issuer.protocol !== 'https:') {
    found.push(`KEYHOLD_ISSUER must be https, since ${host} is not this machine.`);
  }
  for (const name of ['SECRET', 'SMTP_URL'] as const) {
    if (texts[name] === undefined) {
      found.push(`KEYHOLD_${name} (or KEYHOLD_${name}_FILE) is required, since ${host} is not this machine.`);
    }
  }
  if (settings.allowPrivateNetwork) {
    found.push(
      `KEYHOLD_ALLOW_PRIVATE_NETWORK is for a loopback issuer only, and ${host} is not this machine.`,
    );
  }
  if (!settings.rateLimits) {
    found.push(`KEYHOLD_RATE_LIMITS=off is for a loopback issuer only, and ${host} is not this machine.`);
  }
  return found;
}
