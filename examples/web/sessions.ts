import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogoutOrder, PendingSignIn, SignedIn } from './keyhold.js';

/** One browser's visit: on its way to sign in, signed in, or neither. */
export interface Visit {
  readonly id: string;
  pending?: PendingSignIn | undefined;
  signedIn?: SignedIn | undefined;
  /** A refresh under way; a second one waits for it, since a refresh token is used once. */
  refreshing?: Promise<SignedIn> | undefined;
  touchedAt: number;
}

const COOKIE = 'example_visit';
const IDLE_LIMIT = 8 * 60 * 60 * 1000;

/** Visits live in memory: good for an example. A real app keeps them in its database, ids hashed. */
export class Visits {
  readonly #visits = new Map<string, Visit>();
  readonly #usedLogoutTokens = new Map<string, number>();

  /** The visit that the browser's cookie names. */
  find(request: IncomingMessage): Visit | undefined {
    const id = readCookie(request, COOKIE);
    const visit = id === undefined ? undefined : this.#visits.get(id);
    if (!visit || Date.now() - visit.touchedAt > IDLE_LIMIT) return undefined;
    visit.touchedAt = Date.now();
    return visit;
  }

  /** Begins a visit under a fresh id and ends the one before: whoever knew the old cookie knows nothing now. */
  begin(response: ServerResponse, secure: boolean, before?: Visit): Visit {
    if (before) this.#visits.delete(before.id);
    this.#sweep();
    const visit: Visit = { id: randomBytes(32).toString('base64url'), touchedAt: Date.now() };
    this.#visits.set(visit.id, visit);
    response.appendHeader('Set-Cookie', cookie(visit.id, secure));
    return visit;
  }

  /** Ends a visit in this browser. */
  end(response: ServerResponse, secure: boolean, visit: Visit): void {
    this.#visits.delete(visit.id);
    response.appendHeader('Set-Cookie', `${cookie('', secure)}; Max-Age=0`);
  }

  /** Ends what a logout token names: that session, or all sessions of that subject. Each token works once. */
  endBy(order: LogoutOrder): void {
    if (this.#usedLogoutTokens.has(order.jti)) throw new Error('This logout token was used before.');
    this.#usedLogoutTokens.set(order.jti, Date.now());
    for (const visit of this.#visits.values()) {
      const who = visit.signedIn;
      if (!who) continue;
      if (order.sid === undefined ? who.subject === order.subject : who.sid === order.sid) {
        this.#visits.delete(visit.id);
      }
    }
  }

  /** Ends all visits of a subject, whatever browser they are in. */
  endAllOf(subject: string): void {
    for (const visit of this.#visits.values()) {
      if (visit.signedIn?.subject === subject) this.#visits.delete(visit.id);
    }
  }

  #sweep(): void {
    const oldest = Date.now() - IDLE_LIMIT;
    for (const visit of this.#visits.values()) if (visit.touchedAt < oldest) this.#visits.delete(visit.id);
    for (const [jti, at] of this.#usedLogoutTokens) if (at < oldest) this.#usedLogoutTokens.delete(jti);
  }
}

function cookie(value: string, secure: boolean): string {
  // Lax: sent when Keyhold sends the browser back, not on another site's POST.
  return `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
}

function readCookie(request: IncomingMessage, name: string): string | undefined {
  for (const pair of request.headers.cookie?.split(';') ?? []) {
    const [key, value] = pair.trim().split('=');
    if (key === name) return value;
  }
  return undefined;
}
