import type { CommandOrder } from './keyhold.js';
import type { Visits } from './sessions.js';

/** What this app remembers about a person by itself, beside what Keyhold tells it at each sign-in. */
export interface PersonRecord {
  readonly firstSeen: Date;
  signIns: number;
}

/** Records live in memory: good for an example. A real app keeps them in its database, by issuer and subject. */
export class Records {
  readonly #records = new Map<string, PersonRecord>();

  /** The record of whoever has this subject. */
  find(subject: string): PersonRecord | undefined {
    return this.#records.get(subject);
  }

  /** Notes that somebody signed in. */
  note(subject: string): void {
    const record = this.#records.get(subject) ?? { firstSeen: new Date(), signIns: 0 };
    record.signIns++;
    this.#records.set(subject, record);
  }

  /** Forgets somebody; says whether there was anything. */
  delete(subject: string): boolean {
    return this.#records.delete(subject);
  }
}

/** What goes back to Keyhold. */
export interface CommandAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const REMEMBERED = 60 * 60 * 1000;

/**
 * Does what Keyhold says about a person (OpenID Provider Commands, draft 02), and answers what is so then. It knows what is
 * registered as `commands_supported`: `delete`, `audit` and `invalidate`.
 */
export class Commands {
  readonly #records: Records;
  readonly #visits: Visits;
  readonly #answers = new Map<string, { readonly answer: CommandAnswer; readonly at: number }>();

  constructor(records: Records, visits: Visits) {
    this.#records = records;
    this.#visits = visits;
  }

  /** Does each command once. Keyhold may tell it again when our answer was lost: then it gets that answer again. */
  answer(order: CommandOrder): CommandAnswer {
    const before = this.#answers.get(order.jti);
    if (before) return before.answer;
    const answer = this.#do(order);
    const now = Date.now();
    for (const [jti, { at }] of this.#answers) if (at < now - REMEMBERED) this.#answers.delete(jti);
    this.#answers.set(order.jti, { answer, at: now });
    return answer;
  }

  #do({ command, subject: sub }: CommandOrder): CommandAnswer {
    const record = this.#records.find(sub);
    if (command === 'audit') {
      return { status: 200, body: { sub, account_state: record ? 'active' : 'unknown' } };
    }
    if (command !== 'delete' && command !== 'invalidate')
      return { status: 400, body: { error: 'unsupported_command' } };
    // Whatever else it asks for, whoever is signed in here as that person is not any more.
    this.#visits.endAllOf(sub);
    if (!record) {
      return { status: 409, body: { error: 'incompatible_state', sub, account_state: 'unknown' } };
    }
    if (command === 'invalidate') return { status: 200, body: { sub, account_state: 'active' } };
    this.#records.delete(sub);
    return { status: 200, body: { sub, account_state: 'unknown' } };
  }
}
