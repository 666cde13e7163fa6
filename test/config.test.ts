import { availableParallelism } from 'node:os';
import { expect, test } from '@jest/globals';
import { ConfigError, type Environment, isLoopback, readConfig, type Settings } from '../src/config.js';

const SECRET = 'gT5wq0Zr8nVb3LxYpK1mHd7uJc2fSa9eQ4iO';
const PRODUCTION = {
  KEYHOLD_ISSUER: 'https://id.example.com',
  KEYHOLD_SECRET: SECRET,
  KEYHOLD_SMTP_URL: 'smtp://mail.example.com:587',
};

function read(env: Environment, files: Readonly<Record<string, string>> = {}): Settings {
  return readConfig(env, path => {
    const text = files[path];
    if (text === undefined) throw new Error('no such file');
    return text;
  });
}

function problems(env: Environment, files: Readonly<Record<string, string>> = {}): readonly string[] {
  try {
    read(env, files);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test('nothing set gives a loopback installation', () => {
  const settings = read({ PATH: '/bin' });
  expect(settings.issuer.href).toBe('http://localhost:3000/');
  expect(settings).toMatchObject({
    production: false,
    port: 3000,
    listen: ['127.0.0.1', '::1'],
    rateLimits: true,
    allowPrivateNetwork: false,
    emailCodeSignIn: true,
    passwordHashScheme: 'bcrypt',
    bcryptCost: 10,
    warnings: [],
  });
  expect(settings.dataDir).toMatch(/\/\.keyhold$/);
  expect(settings.secret).toBeUndefined();
  expect(Object.isFrozen(settings)).toBe(true);
});

test('a production issuer listens everywhere and sends from its own host', () => {
  const settings = read(PRODUCTION);
  expect(settings).toMatchObject({ production: true, listen: [], port: 3000, secret: SECRET });
  expect(settings.mailFrom).toBe('Keyhold <no-reply@id.example.com>');
});

test.each<[string, Environment, Partial<Settings>]>([
  ['the port of a loopback issuer', { KEYHOLD_ISSUER: 'http://localhost:4100' }, { port: 4100 }],
  ['a port of its own', { KEYHOLD_ISSUER: 'http://localhost:4100', KEYHOLD_PORT: '4200' }, { port: 4200 }],
  ['an empty value as not set', { KEYHOLD_SMTP_URL: ' ' }, { port: 3000 }],
  ['addresses to listen on', { KEYHOLD_LISTEN: '0.0.0.0, ::' }, { listen: ['0.0.0.0', '::'] }],
  ['every address', { KEYHOLD_LISTEN: '*' }, { listen: [] }],
  ['proxies', { KEYHOLD_TRUSTED_PROXIES: '10.0.0.0/8,::1' }, { trustedProxies: ['10.0.0.0/8', '::1'] }],
  ['a switch', { KEYHOLD_RATE_LIMITS: 'off' }, { rateLimits: false }],
  ['another switch', { KEYHOLD_ALLOW_PRIVATE_NETWORK: 'true' }, { allowPrivateNetwork: true }],
  ['argon2id', { KEYHOLD_PASSWORD_SCHEME: 'argon2id' }, { passwordHashScheme: 'argon2id' }],
  ['a port for metrics', { KEYHOLD_METRICS_PORT: '9464' }, { metricsPort: 9464, metricsListen: '127.0.0.1' }],
  ['a number of processes', { KEYHOLD_WORKERS: '3' }, { workers: 3 }],
  ['a process for each core', { KEYHOLD_WORKERS: 'auto' }, { workers: availableParallelism() }],
  ['where countries stand', { KEYHOLD_PLACES: '/srv/country.mmdb' }, { places: '/srv/country.mmdb' }],
  ['a bound on load', { KEYHOLD_MAX_IN_FLIGHT: '40' }, { maxInFlight: 40 }],
  ['seconds before it leaves', { KEYHOLD_DRAIN_DELAY: '7' }, { drainDelay: 7_000 }],
  ['where traces go', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, { traces: true }],
  [
    'that traces are switched off',
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_SDK_DISABLED: 'true' },
    { traces: false },
  ],
  ['a cost', { KEYHOLD_BCRYPT_COST: '12' }, { bcryptCost: 12 }],
  [
    'one database URL for both roles',
    { KEYHOLD_DATABASE_URL: 'postgres://a:b@db/k' },
    { databaseUrl: 'postgres://a:b@db/k', migrationDatabaseUrl: 'postgres://a:b@db/k' },
  ],
])('reads %s', (_what, env, expected) => {
  expect(read(env)).toMatchObject(expected);
});

test.each<[string, Environment, RegExp]>([
  [
    'a misspelt name',
    { KEYHOLD_ISUER: 'x' },
    /^KEYHOLD_ISUER is not a setting. Did you mean KEYHOLD_ISSUER\?$/,
  ],
  [
    'metrics on the port of the server',
    { KEYHOLD_METRICS_PORT: '3000' },
    /^KEYHOLD_METRICS_PORT is the port of the server itself; metrics need another one\.$/,
  ],
  ['a misspelt file name', { KEYHOLD_SECRETFILE: 'x' }, /Did you mean KEYHOLD_SECRET_FILE\?/],
  ['a strange name', { KEYHOLD_QUITE_ELSE: 'x' }, /^KEYHOLD_QUITE_ELSE is not a setting\.$/],
  [
    'an issuer with a path',
    { KEYHOLD_ISSUER: 'https://example.com/id' },
    /no path.*use https:\/\/example\.com\./,
  ],
  ['an issuer with a query', { KEYHOLD_ISSUER: 'http://localhost:3000/?' }, /no query/],
  ['an issuer with a fragment', { KEYHOLD_ISSUER: 'http://localhost:3000/#' }, /no fragment/],
  ['an issuer with a password', { KEYHOLD_ISSUER: 'http://a:b@localhost:3000' }, /user name or password/],
  ['an issuer that is no URL', { KEYHOLD_ISSUER: 'localhost:3000' }, /http or https URL/],
  ['a port out of range', { KEYHOLD_PORT: '70000' }, /1 to 65535/],
  ['a host to listen on', { KEYHOLD_LISTEN: 'localhost' }, /IP addresses/],
  ['a short secret', { KEYHOLD_SECRET: 'short' }, /at least 32/],
  ['a secret of few characters', { KEYHOLD_SECRET: 'abababababababababababababababababab' }, /at least 32/],
  ['a repeated secret', { KEYHOLD_SECRET: '0123456789ab0123456789ab0123456789ab' }, /at least 32/],
  ['a sample secret', { KEYHOLD_SECRET: 'change-me-to-something-long-and-random' }, /at least 32/],
  ['another database', { KEYHOLD_DATABASE_URL: 'mysql://a@b/c' }, /Postgres URL/],
  ['half a pair of databases', { KEYHOLD_MIGRATION_DATABASE_URL: 'postgres://a@b/c' }, /set both/],
  ['a mail server by name', { KEYHOLD_SMTP_URL: 'mail.example.com' }, /SMTP URL/],
  ['a sender that is no address', { KEYHOLD_MAIL_FROM: 'Keyhold' }, /e-mail address/],
  ['a proxy by name', { KEYHOLD_TRUSTED_PROXIES: 'proxy' }, /IP addresses or ranges/],
  ['a range too wide', { KEYHOLD_TRUSTED_PROXIES: '10.0.0.0/33' }, /IP addresses or ranges/],
  ['a half-hearted switch', { KEYHOLD_RATE_LIMITS: 'maybe' }, /on or off/],
  ['an unknown scheme', { KEYHOLD_PASSWORD_SCHEME: 'md5' }, /bcrypt or argon2id/],
  ['a cost too low', { KEYHOLD_BCRYPT_COST: '4' }, /10 to 14/],
])('refuses %s', (_what, env, expected) => {
  const found = problems(env);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(expected);
});

test.each<[string, Environment, RegExp]>([
  ['plain http', { KEYHOLD_ISSUER: 'http://id.example.com' }, /must be https/],
  ['no secret', { KEYHOLD_SECRET: undefined }, /KEYHOLD_SECRET \(or KEYHOLD_SECRET_FILE\) is required/],
  ['no mail server', { KEYHOLD_SMTP_URL: '' }, /KEYHOLD_SMTP_URL .* is required/],
  ['a private network', { KEYHOLD_ALLOW_PRIVATE_NETWORK: 'on' }, /loopback issuer only/],
  ['no rate limits', { KEYHOLD_RATE_LIMITS: 'off' }, /loopback issuer only/],
])('refuses %s in production', (_what, change, expected) => {
  const found = problems({ ...PRODUCTION, ...change });
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(expected);
});

test('every problem is told at once', () => {
  const env = {
    KEYHOLD_ISSUER: 'http://id.example.com',
    KEYHOLD_PORT: 'x',
    KEYHOLD_RATE_LIMITS: 'off',
    KEYHOLD_X: '1',
  };
  expect(problems(env)).toHaveLength(6);
});

test('a setting can be read from a file, and its last line break is not part of it', () => {
  const { KEYHOLD_SECRET: _, ...rest } = PRODUCTION;
  const settings = read({ ...rest, KEYHOLD_SECRET_FILE: '/run/secret' }, { '/run/secret': `${SECRET}\n` });
  expect(settings.secret).toBe(SECRET);
});

test.each<[string, Environment, RegExp]>([
  ['and as a value', { ...PRODUCTION, KEYHOLD_SECRET_FILE: '/a' }, /are both set/],
  ['that is not there', { KEYHOLD_SMTP_URL_FILE: '/none' }, /\/none, which cannot be read \(no such file\)/],
  ['that is empty', { KEYHOLD_SMTP_URL_FILE: '/empty' }, /is empty/],
])('refuses a setting given in a file %s', (_what, env, expected) => {
  const found = problems(env, { '/a': SECRET, '/empty': '\n' });
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(expected);
});

test('what Kubernetes injects for a service called keyhold is ignored with a warning', () => {
  const settings = read({
    KEYHOLD_PORT: 'tcp://10.0.0.1:3000',
    KEYHOLD_SERVICE_HOST: '10.0.0.1',
    KEYHOLD_SERVICE_PORT: '3000',
    KEYHOLD_SERVICE_PORT_HTTP: '3000',
    KEYHOLD_PORT_3000_TCP: 'tcp://10.0.0.1:3000',
    KEYHOLD_PORT_3000_TCP_ADDR: '10.0.0.1',
    KEYHOLD_WEB_PORT_3000_TCP_PROTO: 'tcp',
    KEYHOLD_WEB_PORT: 'tcp://10.0.0.1:3000',
  });
  expect(settings.port).toBe(3000);
  expect(settings.warnings).toHaveLength(8);
  expect(settings.warnings[0]).toMatch(/^KEYHOLD_PORT is ignored/);
});

test.each([
  ['localhost', true],
  ['app.localhost', true],
  ['127.0.0.1', true],
  ['127.8.9.10', true],
  ['[::1]', true],
  ['localhost.example.com', false],
  ['127.example.com', false],
  ['0.0.0.0', false],
  ['192.168.1.2', false],
])('%s is this machine: %s', (hostname, expected) => {
  expect(isLoopback(hostname)).toBe(expected);
});

const TWILIO = {
  KEYHOLD_SMS_PROVIDER: 'twilio',
  KEYHOLD_SMS_ACCOUNT: `AC${'0123456789abcdef'.repeat(2)}`,
  KEYHOLD_SMS_SECRET_FILE: '/run/token',
  KEYHOLD_SMS_FROM: '+15005550006',
  KEYHOLD_SMS_COUNTRIES: 'de, at,CH',
};
const TOKEN = { '/run/token': 'a token\n' };

test('a provider of text messages is read, its token from a file', () => {
  expect(read({ ...PRODUCTION, ...TWILIO }, TOKEN)).toMatchObject({
    sms: {
      provider: 'twilio',
      secret: 'a token',
      from: '+15005550006',
      api: new URL('https://api.twilio.com'),
    },
    smsCountries: ['DE', 'AT', 'CH'],
    smsPerDay: 1000,
  });
  expect(read(PRODUCTION).sms).toBeUndefined();
});

test.each<[string, Environment, RegExp]>([
  ['no country', { ...TWILIO, KEYHOLD_SMS_COUNTRIES: undefined }, /SMS_COUNTRIES is required with/],
  ['no token', { ...TWILIO, KEYHOLD_SMS_SECRET_FILE: undefined }, /SMS_SECRET is required with/],
  ['no provider', { KEYHOLD_SMS_FROM: '+15005550006' }, /SMS_FROM is set without KEYHOLD_SMS_PROVIDER/],
  ['another provider', { ...TWILIO, KEYHOLD_SMS_PROVIDER: 'pigeon' }, /SMS_PROVIDER must be twilio/],
  ['a name for a country', { ...TWILIO, KEYHOLD_SMS_COUNTRIES: 'Germany' }, /two-letter country codes/],
  ['a sender with a line break', { ...TWILIO, KEYHOLD_SMS_FROM: 'a\nb' }, /SMS_FROM must be a number/],
  ['an API in clear', { ...TWILIO, KEYHOLD_SMS_API: 'http://sms.example' }, /SMS_API must be https/],
  ['an API with a path', { ...TWILIO, KEYHOLD_SMS_API: 'https://sms.example/v1' }, /without a path/],
  ['no number', { KEYHOLD_SMS_PER_DAY: 'many' }, /SMS_PER_DAY must be a number/],
])('text messages with %s are refused', (_what, env, sentence) => {
  expect(problems({ ...PRODUCTION, ...env }, TOKEN).join('\n')).toMatch(sentence);
});
