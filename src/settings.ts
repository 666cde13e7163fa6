import { isIP } from 'node:net';
import { z } from 'zod';

const LIST = /[\s,]+/;

function parsed<T>(read: (text: string) => T | undefined, rule: string): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: rule });
    return z.NEVER;
  });
}

function url(text: string, protocols: readonly string[]): URL | undefined {
  const found = URL.canParse(text) ? new URL(text) : undefined;
  return found && protocols.includes(found.protocol) ? found : undefined;
}

function whole(text: string, from: number, to: number): number | undefined {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  return value >= from && value <= to ? value : undefined;
}

const issuer = z.string().transform((text, context) => {
  const found = url(text, ['http:', 'https:']);
  const problem = issuerProblem(found);
  if (found && !problem) return found;
  context.addIssue({ code: 'custom', message: problem ?? 'is not a URL' });
  return z.NEVER;
});

function issuerProblem(found: URL | undefined): string | undefined {
  if (!found) return 'must be an http or https URL, such as https://id.example.com';
  if (found.username || found.password) return 'must not carry a user name or password';
  if (found.search || found.href.includes('?')) return 'must have no query';
  if (found.hash || found.href.includes('#')) return 'must have no fragment';
  if (found.pathname !== '/') {
    return `must have no path, since Keyhold answers at the root of its host: use ${found.origin}`;
  }
  return undefined;
}

const port = parsed(text => whole(text, 1, 65_535), 'must be a port, 1 to 65535');

const listen = parsed(text => {
  if (text === '*') return [];
  const addresses = text.split(LIST).filter(Boolean);
  return addresses.length > 0 && addresses.every(address => isIP(address) > 0) ? addresses : undefined;
}, 'must be IP addresses with commas between them, or * for every address');

const secret = parsed(
  text => (isGuessable(text) ? undefined : text),
  'must be at least 32 random characters (make one with: openssl rand -base64 48)',
);

/** Whether a secret is too short, a sample out of a document, or made of a few characters. */
function isGuessable(text: string): boolean {
  if (text.length < 32 || new Set(text).size < 10) return true;
  if (
    /change.?me|replace.?(me|this)|your.{0,3}secret|secret.?key|example|sample|placeholder|p[a4]ssw[o0]rd/i.test(
      text,
    )
  )
    return true;
  return /^(.{1,16})\1+$/.test(text) || SEQUENCES.some(run => run.includes(text.toLowerCase().slice(0, 16)));
}

const SEQUENCES = [
  '0123456789abcdefghijklmnopqrstuvwxyz',
  'abcdefghijklmnopqrstuvwxyz0123456789',
  '12345678901234567890',
];

const databaseUrl = parsed(text => {
  const found = url(text, ['postgres:', 'postgresql:']);
  return found && !found.hash ? text : undefined;
}, 'must be a Postgres URL, postgresql://user:password@host:5432/database (special characters in the password as %XX)');

const smtpUrl = parsed(
  text => (url(text, ['smtp:', 'smtps:'])?.hostname ? text : undefined),
  'must be an SMTP URL, smtp://user:password@host:587 or smtps://user:password@host:465',
);

const mailFrom = parsed(text => {
  const address = /^[^<>\r\n]*<([^<>\s]+)>$/.exec(text)?.[1] ?? text;
  return /^[^\s<>@,;:"]+@[^\s<>@,;:"]+$/.test(address) ? text : undefined;
}, 'must be an e-mail address, with or without a name: Keyhold <no-reply@example.com>');

const trustedProxies = parsed(text => {
  const ranges = text.split(LIST).filter(Boolean);
  return ranges.every(isRange) ? ranges : undefined;
}, 'must be IP addresses or ranges with commas between them, such as 10.0.0.0/8');

function isRange(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = isIP(address) === 4 ? 32 : 128;
  return (
    isIP(address) > 0 && rest.length === 0 && (prefix === undefined || whole(prefix, 0, bits) !== undefined)
  );
}

const onOff = parsed(text => SWITCH[text.toLowerCase()], 'must be on or off');
const SWITCH: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  yes: true,
  '1': true,
  off: false,
  false: false,
  no: false,
  '0': false,
};

const smsFrom = parsed(
  text =>
    /^(\+[1-9]\d{5,14}|MG[0-9a-fA-F]{32}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11})$/.test(text) ? text : undefined,
  'must be a number such as +15557122661, a name of up to 11 letters and digits, or the SID of a messaging service',
);

const smsCountries = parsed(text => {
  if (text === '*') return '*';
  const countries = text.toUpperCase().split(LIST).filter(Boolean);
  return countries.length > 0 && countries.every(country => /^[A-Z]{2}$/.test(country))
    ? countries
    : undefined;
}, 'must be two-letter country codes with commas between them, such as DE,AT,CH, or * for every country');

const smsApi = parsed(text => {
  const found = url(text, ['https:', 'http:']);
  return found && found.pathname === '/' && !found.search && !found.hash && !found.username
    ? found
    : undefined;
}, 'must be the address of an API without a path, such as https://api.twilio.com');

const support = parsed(text => {
  const address = z.email().safeParse(text).success ? new URL(`mailto:${text}`) : undefined;
  return address ?? url(text, ['https:']);
}, 'must be an e-mail address, or an https URL of a page');

const roles = parsed(text => {
  const names = text.split(LIST).filter(Boolean);
  return names.every(name => /^[a-z][a-z0-9_-]{0,31}$/.test(name)) ? [...new Set(names)] : undefined;
}, 'must be names of roles with commas between them, such as operator,support');

const dataDir = z.string();

/** Every setting by its name without `KEYHOLD_`, and how its text is read. */
export const SETTINGS = {
  ISSUER: issuer,
  PORT: port,
  LISTEN: listen,
  DATA_DIR: dataDir,
  SECRET: secret,
  DATABASE_URL: databaseUrl,
  MIGRATION_DATABASE_URL: databaseUrl,
  SMTP_URL: smtpUrl,
  MAIL_FROM: mailFrom,
  SMS_PROVIDER: z.enum(['twilio'], 'must be twilio'),
  SMS_ACCOUNT: z
    .string()
    .regex(/^AC[0-9a-fA-F]{32}$/, 'must be the SID of an account: AC and 32 hexadecimal digits'),
  SMS_SECRET: z.string(),
  SMS_FROM: smsFrom,
  SMS_COUNTRIES: smsCountries,
  SMS_PER_DAY: parsed(text => whole(text, 1, 999_999), 'must be a number from 1 to 999999'),
  SMS_API: smsApi,
  TRUSTED_PROXIES: trustedProxies,
  ALLOW_PRIVATE_NETWORK: onOff,
  RATE_LIMITS: onOff,
  EMAIL_CODE_SIGN_IN: onOff,
  SECOND_STEP_ROLES: roles,
  PASSWORD_SCHEME: z.enum(['bcrypt', 'argon2id'], 'must be bcrypt or argon2id'),
  BCRYPT_COST: parsed(text => whole(text, 10, 14), 'must be a number from 10 to 14'),
  METRICS_PORT: port,
  METRICS_LISTEN: parsed(text => (isIP(text) > 0 ? text : undefined), 'must be an IP address'),
  WORKERS: parsed(
    text => (text === 'auto' ? text : whole(text, 1, 128)),
    'must be a number from 1 to 128, or auto for one on each core',
  ),
  PLACES: z.string(),
  MAX_IN_FLIGHT: parsed(text => whole(text, 1, 100_000), 'must be a number from 1 to 100000'),
  DRAIN_DELAY: parsed(text => whole(text, 0, 60), 'must be a number of seconds from 0 to 60'),
  DORMANCY_AFTER: parsed(text => whole(text, 31, 3_650), 'must be a number of days from 31 to 3650'),
  DORMANCY_NOTICES: parsed(text => whole(text, 1, 5), 'must be a number from 1 to 5'),
  DORMANCY_EVERY: parsed(text => whole(text, 1, 365), 'must be a number of days from 1 to 365'),
  AUDIT_HEADS: z.string(),
  MESSAGES_KEPT: parsed(text => whole(text, 30, 3_650), 'must be a number of days from 30 to 3650'),
  EVENTS_KEPT: parsed(text => whole(text, 365, 36_500), 'must be a number of days from 365 to 36500'),
  DORMANCY_DELETE_AFTER: parsed(text => whole(text, 30, 3_650), 'must be a number of days from 30 to 3650'),
  DELETION_WAIT: parsed(text => whole(text, 1, 30), 'must be a number of days from 1 to 30'),
  ERASED_LIST: z.string(),
  DISCLOSURES_KEPT: parsed(text => whole(text, 30, 3_650), 'must be a number of days from 30 to 3650'),
  COMMANDS_TRIED: parsed(text => whole(text, 1, 30), 'must be a number of days from 1 to 30'),
  LOST_PHONE_WAIT: parsed(text => whole(text, 0, 720), 'must be a number of hours from 0 to 720'),
  SUPPORT: support,
  LOG_LEVEL: z.enum(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    'must be trace, debug, info, warn, error, fatal or silent',
  ),
} as const;

/** The name of a setting, without `KEYHOLD_`. */
export type SettingName = keyof typeof SETTINGS;

/** The values of the settings that were given and could be read. */
export type Values = { readonly [N in SettingName]?: z.output<(typeof SETTINGS)[N]> };
