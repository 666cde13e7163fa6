import type { Keyring } from '../../platform/crypto/keyring.js';
import { Refusal } from '../../platform/errors.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { redirecting } from './protocols.js';
import * as store from './token-store.js';
import type { Upstream, UpstreamTokens } from './upstream.js';

const SEAL = 'federated-tokens';

/* They open for the link that they came by alone. */
const seal = (keyring: Keyring, linkId: string, tokens: UpstreamTokens) =>
  keyring.seal(SEAL, JSON.stringify([linkId, tokens]));

function open(keyring: Keyring, linkId: string, sealed: Buffer): UpstreamTokens {
  const [owner, tokens] = JSON.parse(keyring.open(SEAL, sealed)) as [string, UpstreamTokens];
  if (owner !== linkId) throw new Error('these tokens belong to another link');
  return tokens;
}

/** By which link tokens came. */
export interface TokensOf {
  readonly accountId: string;
  readonly linkId: string;
  readonly providerId: string;
}

/** Keeps what a provider gave, in the place of what it gave before; nothing where its settings do not say so. */
export async function keepTokens(
  work: Work,
  keyring: Keyring,
  { accountId, linkId, providerId }: TokensOf,
  tokens: UpstreamTokens | undefined,
): Promise<void> {
  if (!tokens) return;
  const sealed = seal(keyring, linkId, tokens);
  await store.upsertTokens(work.tx, accountId, { linkId, providerId, sealed, keptAt: work.at });
}

/** The tokens of somebody at a provider, for the operator who had them kept: that they were read is on record, also for the person. */
export async function readTokens(
  work: Work,
  keyring: Keyring,
  { accountId, providerId }: Omit<TokensOf, 'linkId'>,
): Promise<readonly (UpstreamTokens & { readonly kept_at: Date })[]> {
  const kept = await store.listTokens(work.tx, accountId, providerId);
  if (kept.length === 0) {
    throw new Refusal('missing', 'no_tokens', `No tokens of ${providerId} are kept for this account.`);
  }
  work.record({ type: 'federated_tokens.read', accountId, detail: { provider: providerId } });
  return kept.map(({ linkId, sealed, keptAt }) => ({ ...open(keyring, linkId, sealed), kept_at: keptAt }));
}

/** The job that gives tokens back to the provider they came from. */
export const REVOKE_TOKENS = 'revoke-upstream-tokens';

/** Keeps no tokens of an account any more, or of one of its links, and gives them back to their providers; says how many. */
export async function endTokens(
  work: Work,
  whose: { readonly accountId: string; readonly linkId?: string },
  most = 100,
): Promise<number> {
  const taken = await store.takeTokens(work.tx, whose, most);
  for (const { linkId, providerId, sealed } of taken) {
    const payload = { provider: providerId, link: linkId, sealed: sealed.toString('base64') };
    work.enqueue({ name: REVOKE_TOKENS, payload, yields: true });
  }
  return taken.length;
}

/** Gives tokens back to their provider (RFC 7009), also to one that is disabled; to one that is gone, or takes none, there is no way. */
export function revokeTokens(parts: {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly reachAnyway: (id: string) => Promise<Upstream>;
}): JobDefinition {
  return {
    name: REVOKE_TOKENS,
    run: async payload => {
      const { provider, link, sealed } = payload as Readonly<Record<'provider' | 'link' | 'sealed', string>>;
      const tokens = open(parts.keyring, link, Buffer.from(sealed, 'base64'));
      const upstream = await parts.reachAnyway(provider).catch(gone);
      const revoke = upstream && redirecting(upstream.provider.kind)?.revoke;
      const revoked = revoke ? await revoke(upstream, tokens) : false;
      const detail = { provider, revoked };
      await openWork(parts.db, { kind: 'system' }, async work =>
        work.record({ type: 'identity_provider.tokens_ended', detail }),
      );
    },
  };
}

function gone(error: unknown): undefined {
  if (error instanceof Refusal && error.code === 'no_such_provider') return undefined;
  throw error;
}
