/** An app, as far as it matters whether it may act. */
export interface ActingClient {
  readonly state: string;
}

/** An account, as far as it matters whether its owner may act. */
export interface ActingAccount {
  readonly state: string;
  /** What was proved before that and has signed nobody in yet counts no more; a date or milliseconds. */
  readonly proofsFrom?: Date | number | null | undefined;
  /** Whoever authenticated before that is signed out; a date or seconds. */
  readonly signedOutBefore?: Date | number | null | undefined;
}

/** Who wants to act. What is left out is not concerned; what is `undefined` was looked for and is not there. */
export interface Acting {
  readonly client?: ActingClient | undefined;
  readonly account?: ActingAccount | undefined;
  /** A session that has ended is not found, so that being there is all it takes. */
  readonly session?: object | undefined;
  /** When what signs them in now was proved, in milliseconds. */
  readonly provedAt?: number | undefined;
  /** When whoever is signed in authenticated, in seconds as sessions and tokens know it. */
  readonly authenticatedAt?: number | undefined;
  /** Only recovery is open to the owner of a frozen or archived account. */
  readonly way?: 'recovery';
}

const RECOVERABLE: readonly string[] = ['frozen', 'archived'];

/**
 * May this person, this app, this session act now? The one place that says so: asked when somebody signs in, whenever a
 * browser's people are looked at, when a request resumes, at the token endpoint, at userinfo and at introspection.
 */
export function mayAct(acting: Acting): boolean {
  if ('client' in acting && acting.client?.state !== 'active') return false;
  if ('session' in acting && acting.session === undefined) return false;
  if (!('account' in acting)) return true;
  const { account, provedAt, authenticatedAt, way } = acting;
  if (!account) return false;
  if (account.state !== 'active' && !(way === 'recovery' && RECOVERABLE.includes(account.state)))
    return false;
  if (provedAt !== undefined && provedAt < (milliseconds(account.proofsFrom) ?? 0)) return false;
  const { signedOutBefore } = account;
  const before = signedOutBefore instanceof Date ? signedOutBefore.getTime() / 1000 : signedOutBefore;
  return authenticatedAt === undefined || authenticatedAt >= (before ?? 0);
}

function milliseconds(at: Date | number | null | undefined): number | undefined {
  return at instanceof Date ? at.getTime() : (at ?? undefined);
}
