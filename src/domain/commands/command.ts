import type { ClientMetadata } from '../clients/clients.js';

/** What an app can be told to do about a person (OpenID Provider Commands 1.0, draft 02, Account Commands). */
export const COMMANDS = ['delete', 'audit', 'suspend', 'reactivate', 'maintain', 'invalidate'] as const;
export type CommandName = (typeof COMMANDS)[number];

/** How an app is told: by a command, by a security event (RISC), by a signed webhook, or not at all. */
export const CHANNELS = ['command', 'risc', 'webhook', 'none'] as const;
export type Channel = (typeof CHANNELS)[number];

/**
 * waiting: to be told, now or again · accepted: the app took it and will say when it is done · confirmed: the app says that it
 * is so · kept: a law makes the app keep something, and it said which · received: the app took it and says nothing more ·
 * refused: the app will not, or what it says cannot be true · unreachable: it could not be told.
 */
export const COMMAND_STATES = [
  'waiting',
  'accepted',
  'confirmed',
  'kept',
  'received',
  'refused',
  'unreachable',
] as const;
export type CommandState = (typeof COMMAND_STATES)[number];

/** The states in which an app may still answer. */
export const OPEN_STATES = ['waiting', 'accepted'] as const satisfies readonly CommandState[];

/** The states of an account at an app (ISO/IEC 24760-1 §7.2). */
export const ACCOUNT_STATES = ['unknown', 'active', 'suspended', 'archived'] as const;
export type AccountState = (typeof ACCOUNT_STATES)[number];

/** What something is told for: a deletion, a request, a withdrawal; others find what was told by it. */
export interface Reason {
  /** A word of whoever sends it, such as `deletion`. */
  readonly kind: string;
  /** A UUID that says nothing about the person. */
  readonly id: string;
}

/** What is told to one app. */
export interface Telling {
  readonly clientId: string;
  readonly command: CommandName;
  readonly reason: Reason;
  /** The subject as this app knows it (`subjectOf`); sealed, and gone as soon as nothing is left to be told. */
  readonly subject: string;
  /** Whose history says so, for as long as the account is there; left out where it is on its way out. */
  readonly accountId?: string;
  /** What is true now, for `maintain`: claims by name. Whoever sends them puts on record that they left. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** What was true before, of `email` and `phone_number`, by which RISC knows people. */
  readonly before?: Readonly<Record<string, string>>;
  /** Why, in a code that the app is told too, such as `consent_withdrawn`. */
  readonly because?: string;
  readonly notBefore?: Date;
  /** The job that is enqueued when it ends, with `{ command, reason }` as its payload. */
  readonly wakes?: string;
}

/** What is sealed of a command, while something may still be told. */
export type Told = Pick<Telling, 'subject' | 'claims' | 'before' | 'because'>;

/** What an app was told, and what became of it. */
export interface Command {
  readonly id: string;
  readonly reason: Reason;
  readonly clientId: string;
  readonly command: CommandName;
  readonly accountId: string | undefined;
  readonly state: CommandState;
  /** How it was told last; undefined while it has not been. */
  readonly channel: Channel | undefined;
  readonly attempts: number;
  readonly round: number;
  readonly dueAt: Date;
  /** When it is given up. */
  readonly until: Date;
  /** A code of ours: `done`, `no_answer`, `wrong_subject`, `http_500`. */
  readonly answer: string | undefined;
  /** What the app says of the account there, if it said so about this person. */
  readonly accountState: AccountState | undefined;
  /** Why an app keeps something, in its own words: plain text of 300 characters at most. */
  readonly note: string | undefined;
  readonly askedAt: Date;
  /** When it left last. */
  readonly sentAt: Date | undefined;
  readonly endedAt: Date | undefined;
  /** Whether it can be told again: the subject is still known. */
  readonly tellable: boolean;
}

/** Where a command goes. `wire` is its name there. */
export type Route =
  | { readonly channel: 'command' | 'risc' | 'webhook'; readonly url: string; readonly wire: string }
  | { readonly channel: 'none' };

const RISC = 'https://schemas.openid.net/secevent/risc/event-type/';
const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/';

/* RISC 1.0 §2, and for sign-ins that are over CAEP 1.0 §3.1; an audit asks for an answer, which an event has none of. */
const EVENTS: Readonly<Partial<Record<CommandName, string>>> = {
  delete: `${RISC}account-purged`,
  suspend: `${RISC}account-disabled`,
  reactivate: `${RISC}account-enabled`,
  invalidate: `${CAEP}session-revoked`,
};
/** The event of an identifier that is another by now (RISC 1.0 §2.5). */
export const IDENTIFIER_CHANGED = `${RISC}identifier-changed`;

/** The ways of an app to be told, out of its metadata. */
export type Reachable = Pick<
  ClientMetadata,
  'command_endpoint' | 'commands_supported' | 'risc_endpoint' | 'webhook_uri'
>;

/** By which way an app is told a command: by one that it can answer before one that it can only take. */
export function routeOf(
  { command_endpoint: endpoint, commands_supported: supported = [], ...app }: Reachable,
  command: CommandName,
  before: Telling['before'] = {},
): Route {
  const wire = [command, `${command}_async`].find(name => supported.includes(name));
  if (endpoint !== undefined && wire !== undefined) return { channel: 'command', url: endpoint, wire };
  const identifier = command === 'maintain' && (before['email'] ?? before['phone_number']) !== undefined;
  const event = identifier ? IDENTIFIER_CHANGED : EVENTS[command];
  if (app.risc_endpoint !== undefined && event !== undefined)
    return { channel: 'risc', url: app.risc_endpoint, wire: event };
  if (app.webhook_uri !== undefined)
    return { channel: 'webhook', url: app.webhook_uri, wire: `account.${command}` };
  return { channel: 'none' };
}

/** Whether an app may say later, by a callback, what became of a command that went this way. */
export function mayAnswerLater(route: Route): boolean {
  return route.channel === 'webhook' || (route.channel === 'command' && route.wire.endsWith('_async'));
}

const MINUTE = 60_000;
const FIRST_MS = 0.5 * MINUTE;
const LONGEST_MS = 360 * MINUTE;

/** How long after a failed try the next one follows: three times as long each time, up to six hours, and never just together. */
export function pauseAfter(attempts: number, random: number): number {
  const full = Math.min(FIRST_MS * 3 ** Math.min(attempts - 1, 12), LONGEST_MS);
  return full * (0.5 + random / 2);
}

/** After so many failures in a row an app is left alone. */
export const FAILURES = 3;

/** How long an app is left alone after so many failures in a row; undefined while it is not. */
export function leftAloneFor(failures: number): number | undefined {
  if (failures < FAILURES) return undefined;
  return Math.min(FIRST_MS * 2 ** Math.min(failures - FAILURES, 12), 15 * MINUTE);
}
