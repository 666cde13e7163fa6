import type Provider from 'oidc-provider';
import type { Person } from './people.js';
import type { Query } from './pushed-requests.js';
import type { SubjectOf } from './subjects.js';

/** Whether a request names somebody, and who of those here it is. */
export interface Naming {
  readonly named: boolean;
  readonly person?: Person | undefined;
}

const text = (value: string | string[] | undefined) =>
  typeof value === 'string' && value !== '' ? value : undefined;

/* Decoded without a check: it only chooses among people who are here, and the engine verifies it before it counts. */
function claimsOf(jwt: string): { readonly sub?: unknown; readonly aud?: unknown } {
  try {
    return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString('utf8')) as object;
  } catch {
    return {};
  }
}

function claimedSubject(claims: string | undefined): string | undefined {
  if (claims === undefined) return undefined;
  try {
    const { id_token } = JSON.parse(claims) as { id_token?: { sub?: { value?: unknown } } };
    return typeof id_token?.sub?.value === 'string' ? id_token.sub.value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Who of those here a request names: by `id_token_hint`, by the `claims` parameter's `sub`, or by `login_hint`. A login
 * hint that fits nobody here names nobody; in a silent request it counts only for who has signed in to that app here, so
 * that no app learns who else is.
 */
export async function namedPerson(
  provider: Provider,
  query: Query,
  people: readonly Person[],
  subjectOf: SubjectOf,
): Promise<Naming> {
  const hint = text(query['id_token_hint']);
  const hinted = hint === undefined ? undefined : claimsOf(hint);
  const clientId = text(query['client_id']) ?? (typeof hinted?.aud === 'string' ? hinted.aud : undefined);
  const client =
    clientId === undefined ? undefined : await provider.Client.find(clientId).catch(() => undefined);
  const subject = typeof hinted?.sub === 'string' ? hinted.sub : claimedSubject(text(query['claims']));
  if (subject !== undefined) {
    const person = people.find(({ accountId }) => subjectOf(accountId, client) === subject);
    return { named: true, person };
  }
  const hintOf = text(query['login_hint'])?.trim();
  const address = hintOf?.toLowerCase();
  const silent = query['prompt'] === 'none';
  const person = people.find(
    ({ accountId, account, clientIds }) =>
      hintOf !== undefined &&
      (account.email?.address.toLowerCase() === address || subjectOf(accountId, client) === hintOf) &&
      (!silent || (clientId !== undefined && clientIds.includes(clientId))),
  );
  return { named: person !== undefined, person };
}
