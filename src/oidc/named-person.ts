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
 * hint that fits nobody here names nobody; in a silent request it and `sub` count only for who has signed in to that app
 * here, so that no app learns who else is.
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
  const silent = query['prompt'] === 'none';
  const tellable = ({ clientIds }: Person) =>
    !silent || (clientId !== undefined && clientIds.includes(clientId));
  if (typeof hinted?.sub === 'string') {
    return {
      named: true,
      person: people.find(({ accountId }) => subjectOf(accountId, client) === hinted.sub),
    };
  }
  const claimed = claimedSubject(text(query['claims']));
  if (claimed !== undefined) {
    const meant = people.find(({ accountId }) => subjectOf(accountId, client) === claimed);
    return { named: true, person: meant && (tellable(meant) || client?.['first_party']) ? meant : undefined };
  }
  const hintOf = text(query['login_hint'])?.trim();
  const address = hintOf?.toLowerCase();
  const person = people.find(
    one =>
      hintOf !== undefined &&
      (one.account.email?.address.toLowerCase() === address || subjectOf(one.accountId, client) === hintOf) &&
      tellable(one),
  );
  return { named: person !== undefined, person };
}
