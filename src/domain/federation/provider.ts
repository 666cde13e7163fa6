import { z } from 'zod';
import { Refusal } from '../../platform/errors.js';

/** By which protocol a provider is spoken with. */
export const PROVIDER_KINDS = ['openid', 'oauth2', 'saml', 'ldap'] as const;
export type ProviderKind = (typeof PROVIDER_KINDS)[number];

/** How a provider is named in addresses and commands. */
export const PROVIDER_ID = /^[a-z][a-z0-9-]{0,31}$/;

/** Who wins at the next sign-in: what was there first, what the provider says, or the provider until the person changes it. */
export const WINS = ['first', 'always', 'until_edited'] as const;

const claimName = z.string().min(1).max(200);

/** What becomes of what a provider says. */
export const mappingSchema = z.strictObject({
  /** Attributes of the profile by name, and the claim that each is taken from. */
  attributes: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_]{0,39}$/),
      z.strictObject({ from: claimName, wins: z.enum(WINS).default('first') }),
    )
    .default({}),
  /** Where its word that an address is verified counts: for these domains alone; absent: for all; empty: for none. */
  email_domains: z
    .array(z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/))
    .max(200)
    .optional(),
  /** What its `acr` counts as here. What is not named counts as one factor. */
  acr: z.record(z.string().min(1).max(200), z.enum(['aal1', 'aal2', 'phr'])).default({}),
  /** Values of its `amr` (RFC 8176) that are told on to apps. */
  amr: z.array(z.string().min(1).max(40)).max(40).default([]),
});
export type ProviderMapping = Readonly<z.output<typeof mappingSchema>>;

/** Where people bring an identity from. */
export interface IdentityProvider {
  /** A slug that the operator chose, such as `google`. */
  readonly id: string;
  readonly kind: ProviderKind;
  readonly state: 'enabled' | 'disabled';
  /** As people know it: "Continue with …". */
  readonly name: string;
  /** Which of the shipped ones it began as. */
  readonly preset: string | undefined;
  /** Its place among the buttons. */
  readonly place: number;
  /** By kind; read by its protocol's schema before it is kept. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly mapping: ProviderMapping;
  /** Origins that its pages were found at, beside what the settings say. */
  readonly origins: readonly string[];
  /** Counts its changes: a trip that began under another version ends. */
  readonly version: number;
  readonly updatedAt: Date;
}

/** What an operator declares of one; `settings` are the protocol's, `secrets` by its names and in clear. */
export const providerSchema = z.strictObject({
  id: z.string().regex(PROVIDER_ID, 'must be lower-case letters, digits and -, 32 at most'),
  kind: z.enum(PROVIDER_KINDS),
  name: z.string().min(1).max(60),
  preset: z.string().regex(PROVIDER_ID).optional(),
  state: z.enum(['enabled', 'disabled']).default('enabled'),
  place: z.int().min(0).max(1_000).default(100),
  settings: z.record(z.string(), z.unknown()),
  secrets: z.record(z.string(), z.string().min(1).max(20_000)).optional(),
  mapping: mappingSchema.prefault({}),
});
export type DeclaredProvider = Readonly<z.output<typeof providerSchema>>;

/**
 * Whether a provider may be used now, asked at every step of every trip: by what stands in the database at that moment, and
 * for a trip under way only as it stood when it began (C03).
 */
export function mayUse(
  provider: IdentityProvider | undefined,
  began?: { readonly version: number },
): provider is IdentityProvider {
  if (provider?.state !== 'enabled') return false;
  return began === undefined || began.version === provider.version;
}

/** Whether a provider's word counts that an address is proved. */
export function isTrustedFor(
  { mapping }: Pick<IdentityProvider, 'mapping'>,
  email: { readonly address: string; readonly verified: boolean } | undefined,
): boolean {
  if (email?.verified !== true) return false;
  const domain = email.address.slice(email.address.lastIndexOf('@') + 1).toLowerCase();
  return mapping.email_domains === undefined || mapping.email_domains.includes(domain);
}

/** How strong a sign-in there counts as here: never more than its mapping says, and one factor where it says nothing. */
export function strengthThere(
  { mapping }: Pick<IdentityProvider, 'mapping'>,
  { acr, amr = [] }: { readonly acr?: string | undefined; readonly amr?: readonly string[] | undefined },
): { readonly acr: 'aal1' | 'aal2' | 'phr'; readonly amr: readonly string[] } {
  const known = acr !== undefined && Object.hasOwn(mapping.acr, acr) ? mapping.acr[acr] : undefined;
  return { acr: known ?? 'aal1', amr: amr.filter(each => mapping.amr.includes(each)) };
}

const WEAKEST_FIRST = ['aal1', 'aal2', 'phr'] as const;

/** What a provider calls a strength, and whatever is stronger: it is asked for that, and what comes is looked at all the same. */
export function namesThere(
  { mapping }: Pick<IdentityProvider, 'mapping'>,
  strength: 'aal2' | 'phr',
): string[] {
  const least = WEAKEST_FIRST.indexOf(strength);
  return Object.entries(mapping.acr).flatMap(([name, counts]) =>
    WEAKEST_FIRST.indexOf(counts) >= least ? [name] : [],
  );
}

/** There is none of that name, or not any more, or it may not be used now. */
export function noSuchProvider(): Refusal {
  return new Refusal('missing', 'provider_unavailable', 'This way of signing in is not offered here.');
}
