import {
  domainOf,
  findProvider,
  findRealm,
  type IdentityProvider,
  mayUse,
  type Realm,
} from '../../domain/federation/federation.js';
import { allowFormTarget } from '../../platform/web/headers.js';
import { badgeOf, show } from '../journey.js';
import type { Problem } from '../page-models.js';
import { noticeOf } from '../sign-in/notices.js';
import { advance, type Turn } from '../turn.js';

/** Where the address of a request leads, by what stands in the database at this moment (C03). */
export interface Leading {
  readonly realm: Realm;
  readonly provider: IdentityProvider;
}

/** Where the address of a request leads now; undefined where it does so no more. */
export async function leadingOf({ parts, progress }: Turn): Promise<Leading | undefined> {
  const realm = progress.email ? await findRealm(parts.db, domainOf(progress.email)) : undefined;
  const provider = realm && (await findProvider(parts.db, realm.providerId));
  return realm && mayUse(provider) ? { realm, provider } : undefined;
}

/** The domain was given up, or the provider may not be used any more: they sign in as all others do. */
export function leadBack(turn: Turn): void {
  const { way, email } = turn.progress;
  advance(turn, { way, email });
}

/** Whether there is another way; offered to everybody where anybody is excepted, so that it says nothing about who is. */
export const goesAround = ({ required, exceptRoles }: Realm) => !required || exceptRoles.length > 0;

/** Shows whose the address of a request is: where its password is typed, or the way there. */
export async function showOrganisation(turn: Turn, problems: readonly Problem[] = []): Promise<void> {
  const { ctx, parts, pending, progress } = turn;
  const leading = await leadingOf(turn);
  if (!leading) return leadBack(turn);
  const { realm, provider } = leading;
  const { id, name, kind } = provider;
  for (const origin of parts.federation.originsOf(provider)) allowFormTarget(ctx, origin);
  const notice = noticeOf(turn);
  show(ctx, parts, 'federated/organisation', {
    uid: pending.uid,
    app: badgeOf(pending),
    problems,
    ...(notice && { notice }),
    email: progress.email ?? '',
    domain: realm.domain,
    provider: { id, name, byPassword: kind === 'ldap' },
    around: goesAround(realm),
  });
}

/** What is kept of a request whose address leads to an organisation; from memory, and whoever has an account is not looked at. */
export async function leadsThere(
  { parts }: Pick<Turn, 'parts'>,
  email: string,
  demanded = false,
): Promise<{ readonly organisation?: true }> {
  const realm = await parts.federation.realmOf(email);
  return realm && (realm.required || !demanded) ? { organisation: true } : {};
}
