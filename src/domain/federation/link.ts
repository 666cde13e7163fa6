/** How somebody at a provider came to be tied to an account. */
export type LinkCameBy = 'opened' | 'proved' | 'added' | 'merged';

/** What a provider said when it was used last, as it was kept. */
export interface LinkSaid {
  readonly email?: { readonly address: string; readonly verified: boolean } | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Somebody at a provider who is the owner of an account here. */
export interface FederatedLink {
  readonly accountId: string;
  readonly id: string;
  readonly providerId: string;
  readonly subject: string;
  readonly cameBy: LinkCameBy;
  readonly linkedAt: Date;
  readonly lastUsedAt: Date | undefined;
  /** What the provider sent last that has a place in the profile, as the profiles room gave it. */
  readonly given: Readonly<Record<string, string>>;
}

/** So many fit into one account. */
export const MOST_LINKS = 20;

/** Minutes that a trip to a provider may take. */
export const TRIP_MINUTES = 10;

/** For what somebody is sent to a provider. */
export type TripPurpose = 'sign-in' | 'link' | 'merge-proof' | 'test';

/** What kept claims may take, as JSON. */
export const MOST_CLAIMS = 8_192;
