/** The beginning of a sign-in that is tried out; its form posts to its own address. */
export interface TrialPage {
  readonly provider: string;
  /** Nobody but whoever tries it can sign in by it now. */
  readonly disabled: boolean;
  /** The address and the password of there are typed here. Posts `address` and `password` then. */
  readonly byPassword: boolean;
}

/** Where the trial goes on: by a link, or by a form that posts `fields` there. */
export interface TrialLeavingPage {
  readonly provider: string;
  readonly to: string;
  readonly fields?: readonly { readonly name: string; readonly value: string }[];
}

/** What came of it. */
export type TrialOutcomePage =
  | {
      readonly trouble: 'unreachable' | 'refused' | 'untrue' | 'changed';
      readonly reason: string;
      readonly detail?: string;
    }
  | {
      readonly trouble?: never;
      readonly subject: string;
      readonly email?: { readonly address: string; readonly proved: boolean; readonly counts: boolean };
      readonly strength: { readonly told?: string | undefined; readonly counts: string };
      /** Attributes of the profile, the claim that each is taken from, and what it would become. */
      readonly attributes: readonly {
        readonly attribute: string;
        readonly from: string;
        readonly value?: string;
        readonly left?: 'unknown' | 'unreadable' | undefined;
      }[];
      /** All that came, as JSON. */
      readonly claims: string;
    };

/** The pages of a sign-in that is tried out. */
export interface TrialPages {
  readonly 'federated/trial': TrialPage;
  readonly 'federated/trial-leaving': TrialLeavingPage;
  readonly 'federated/trial-outcome': TrialOutcomePage;
}
