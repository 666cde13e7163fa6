import type { Payload } from './artefacts.js';
import type { ConsentSnapshot } from './memory.js';

interface Granted {
  readonly openid?: { readonly scope?: string; readonly claims?: readonly string[] };
  readonly resources?: Readonly<Record<string, string>>;
  readonly rejected?: {
    readonly openid?: { readonly scope?: string; readonly claims?: readonly string[] };
  };
}

/** A grant as far as the consent reaches at this moment, and whether it reached further when it was made. */
export interface BoundedGrant {
  readonly grant: Payload;
  readonly narrowed: boolean;
}

/**
 * Holds a grant to what its person allows now, whenever it was made: nothing without a consent, and never more than it
 * says. The grant is what an app got once; the consent is what it may have.
 */
export function boundedBy(grant: Payload, consent: ConsentSnapshot | undefined): BoundedGrant | undefined {
  if (!consent) return undefined;
  const { openid, resources, rejected } = grant as Granted;
  const scopes = words(openid?.scope);
  const claims = openid?.claims ?? [];
  const keptScopes = scopes.filter(scope => scope === 'openid' || consent.scopes.includes(scope));
  const keptClaims = claims.filter(claim => consent.claims.includes(claim));
  const keptResources = Object.entries(resources ?? {}).map(([indicator, granted]) => {
    const allowed = words(consent.resources[indicator]);
    return [
      indicator,
      words(granted)
        .filter(scope => allowed.includes(scope))
        .join(' '),
    ] as const;
  });
  const refused = [...new Set([...(rejected?.openid?.claims ?? []), ...consent.refused_claims])];
  const whole =
    keptScopes.length === scopes.length &&
    keptClaims.length === claims.length &&
    keptResources.every(([indicator, kept]) => words(kept).length === words(resources?.[indicator]).length);
  return {
    narrowed: !whole,
    grant: {
      ...grant,
      ...(openid && { openid: { scope: keptScopes.join(' '), claims: keptClaims } }),
      ...(resources && { resources: Object.fromEntries(keptResources.filter(([, kept]) => kept !== '')) }),
      ...(refused.length > 0 && {
        rejected: { ...rejected, openid: { ...rejected?.openid, claims: refused } },
      }),
    },
  };
}

/** The scopes of a token that its person still allows: those of its API where it is for one. */
export function scopesWithin(token: Payload, consent: ConsentSnapshot | undefined): string {
  const { scope, aud } = token as { readonly scope?: string; readonly aud?: unknown };
  const everywhere = Object.values(consent?.resources ?? {}).flatMap(words);
  const allowed =
    typeof aud === 'string'
      ? words(consent?.resources[aud])
      : ['openid', ...(consent?.scopes ?? []), ...everywhere];
  return words(scope)
    .filter(each => allowed.includes(each))
    .join(' ');
}

const words = (text: string | undefined): readonly string[] => text?.split(' ').filter(Boolean) ?? [];
