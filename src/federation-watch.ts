import type { Config } from './config.js';
import {
  GRACE_DAYS,
  listDomains,
  listProviders,
  probeProvider,
  UpstreamTrouble,
} from './domain/federation/federation.js';
import { openKeyring } from './platform/crypto/keyring.js';
import { openOutbound } from './platform/outbound.js';
import type { Db } from './platform/storage/db.js';

/** What is to be known of identity providers: a weight and a sentence. */
export type ProviderFinding = readonly [weight: 'ok' | 'note' | 'problem', sentence: string];

const day = (at: Date) => at.toISOString().slice(0, 10);

/** Whether the records of claimed domains are where they were. */
export async function watchDomains(db: Db, issuer: URL): Promise<readonly ProviderFinding[]> {
  const claims = await listDomains(db, issuer, { limit: 1_000 });
  return claims.flatMap(({ domain, state, seenAt, checkedAt, record }): ProviderFinding[] => {
    if (state === 'lapsed') {
      return [
        [
          'problem',
          `Addresses of ${domain} lead nowhere since its record ${record.name} was missing for ${GRACE_DAYS} days.`,
        ],
      ];
    }
    const isMissing = state === 'verified' && seenAt && checkedAt && checkedAt > seenAt;
    if (!isMissing) return [];
    const until = day(new Date(seenAt.getTime() + GRACE_DAYS * 86_400_000));
    return [
      [
        'problem',
        `The record ${record.name} was not found since ${day(seenAt)}; from ${until} on ${domain} leads nowhere.`,
      ],
    ];
  });
}

/** Whether those that are enabled can be spoken with from here: their secrets open, and whoever has to be asked answers. */
export async function watchProviders(
  db: Db,
  { secret, issuer, allowPrivateNetwork }: Pick<Config, 'secret' | 'issuer' | 'allowPrivateNetwork'>,
): Promise<readonly ProviderFinding[]> {
  const providers = (await listProviders(db)).filter(({ state }) => state === 'enabled');
  if (providers.length === 0) return [];
  const outbound = openOutbound({ allowPrivateNetwork });
  try {
    const keyring = openKeyring(secret);
    const reaching = { db, keyring, outbound, issuer, allowPrivateNetwork };
    return await Promise.all(
      providers.map(async ({ id }): Promise<ProviderFinding> => {
        const why = await probeProvider(reaching, id).then(() => undefined, reasonOf);
        if (why === undefined) return ['ok', `People can be sent to the identity provider ${id}.`];
        return [
          'problem',
          `Nobody can sign in by the identity provider ${id} (${why}); try keyhold federation test ${id}.`,
        ];
      }),
    );
  } finally {
    await outbound.close();
  }
}

function reasonOf(problem: unknown): string {
  if (problem instanceof UpstreamTrouble) return problem.reason;
  return problem instanceof Error ? problem.message : 'error';
}
