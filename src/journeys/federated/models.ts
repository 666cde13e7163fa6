import type { Step } from '../page-models.js';

/** A button "Continue with …"; posts to `…/federated/:id`. One that rests is named and cannot be pressed. */
export interface ProviderButton {
  readonly id: string;
  readonly name: string;
  readonly resting: boolean;
  /** The address of its logo, one of our own assets. */
  readonly mark?: string;
}

/** A page that may offer providers. */
export interface WithProviders {
  readonly providers?: readonly ProviderButton[];
}

/** Something that a provider said and that becomes part of the profile. */
export interface TakenOver {
  readonly label: string;
  readonly value: string;
}

/** Somebody comes with an identity that is nobody's here. Posts `name` and `terms=yes` to `…/new-account`. */
export interface FederatedAccountPage extends Step {
  readonly provider: string;
  readonly email: string;
  readonly name?: string;
  readonly withoutName?: boolean;
  readonly termsAccepted?: boolean;
  readonly terms: { readonly version: string; readonly url: string };
  readonly taken: readonly TakenOver[];
  readonly signInUrl: string;
}

/** A provider let nobody in; the other ways are at `otherUrl`. */
export interface FederatedTroublePage extends Step, WithProviders {
  readonly provider: string;
  readonly word: 'unreachable' | 'refused' | 'untrue' | 'stale' | 'over' | 'unavailable';
  readonly otherUrl: string;
}

/** On the way to a provider whose pages are elsewhere than was known. */
export interface FederatedLeavingPage {
  /** The request of an app on the way of which that is, if any. */
  readonly uid?: string;
  readonly app?: Step['app'];
  readonly provider: string;
  readonly to: string;
  readonly host: string;
  /** What is posted there; nothing of ours is among it. */
  readonly fields?: readonly { readonly name: string; readonly value: string }[];
}

/** The address belongs to an organisation: its password posts `password` to `…/organisation`, or a button leads there. */
export interface OrganisationPage extends Step {
  readonly email: string;
  readonly domain: string;
  readonly provider: { readonly id: string; readonly name: string; readonly byPassword: boolean };
  /** There is another way, at `…/organisation/around`. */
  readonly around: boolean;
}

/** The pages of whoever brings an identity. */
export interface FederatedPages {
  readonly 'federated/account': FederatedAccountPage;
  readonly 'federated/organisation': OrganisationPage;
  readonly 'federated/trouble': FederatedTroublePage;
  readonly 'federated/leaving': FederatedLeavingPage;
}
