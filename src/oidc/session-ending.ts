import type { Fact, Job } from '../platform/storage/work.js';
import type { Payload } from './artefacts.js';

/** Why a session ended. Only a plain sign-out spares what an app holds with `offline_access` (OpenID Connect Core §11). */
export type EndReason =
  | 'signed-out'
  | 'ended-elsewhere'
  | 'account-changed'
  | 'account-frozen'
  | 'account-archived'
  | 'account-closed'
  | 'operator';

/** All that ending a session brings with it. */
export interface SessionEnding {
  readonly grantIds: readonly string[];
  readonly jobs: readonly Job[];
  readonly fact: Fact;
}

interface Authorization {
  readonly sid?: string;
  readonly grantId?: string;
  readonly persistsLogout?: boolean;
}

/** The job that tells one app that a session ended. */
export const BACKCHANNEL_LOGOUT = 'backchannel-logout';

/** What has to happen when the session with this content ends: grants to remove, apps to tell, the fact to record. */
export function sessionEnding(session: Payload, reason: EndReason): SessionEnding {
  const authorizations = Object.entries((session['authorizations'] ?? {}) as Record<string, Authorization>);
  const accountId = session['accountId'] as string | undefined;
  const kept = (authorization: Authorization) =>
    reason === 'signed-out' && authorization.persistsLogout === true;
  return {
    grantIds: authorizations.flatMap(([, a]) => (a.grantId && !kept(a) ? [a.grantId] : [])),
    jobs: authorizations.flatMap(([clientId, { sid }]) =>
      accountId && sid ? [{ name: BACKCHANNEL_LOGOUT, payload: { clientId, accountId, sid } }] : [],
    ),
    fact: {
      type: 'session.ended',
      ...(accountId !== undefined && { accountId }),
      detail: { session: String(session['uid']), reason },
    },
  };
}
