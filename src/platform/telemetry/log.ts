import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Members that never reach a log, wherever they stand in the first two levels of an entry. */
const SECRETS = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'secret',
  'client_secret',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'code',
  'code_verifier',
  'device_code',
  'user_code',
  'request_uri',
  'client_assertion',
  'email',
];

/** Opens the log: one JSON object a line, without secrets. */
export function openLog(level: string, destination?: DestinationStream): Logger {
  const paths = SECRETS.flatMap(name => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths, censor: '[redacted]' },
    serializers: { err: describeError },
  };
  return destination ? pino(options, destination) : pino(options);
}

/**
 * What is logged of an error. Postgres puts the offending row into `detail` and `where`, which is personal data, so only
 * what names the failure is kept; its own code goes by another name than the codes that are secrets.
 */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const reason = 'code' in error && typeof error.code === 'string' ? { reason: error.code } : {};
  const constraint =
    'constraint' in error && typeof error.constraint === 'string' ? { constraint: error.constraint } : {};
  return {
    name,
    message,
    ...reason,
    ...constraint,
    stack,
    ...(cause ? { cause: describeError(cause) } : {}),
  };
}
