import type { Asked } from './page-models.js';

/** What each mail is given, besides its language and the issuer's name. */
export interface MailModels {
  readonly 'sign-up-code': {
    readonly issuerName: string;
    readonly code: string;
    readonly url: string;
    readonly minutes: number;
    readonly asked: Asked;
  };
  readonly 'sign-in-code': {
    readonly issuerName: string;
    readonly code: string;
    readonly minutes: number;
    readonly asked: Asked;
  };
  readonly 'account-exists': {
    readonly issuerName: string;
    readonly signInUrl: string;
    readonly asked: Asked;
  };
  readonly 'recovery-code': {
    readonly issuerName: string;
    readonly code: string;
    readonly minutes: number;
    readonly asked: Asked;
  };
  readonly recovered: {
    readonly issuerName: string;
    /** The new credential is a passkey, and the password is gone. */
    readonly withPasskey: boolean;
    readonly objectUrl: string;
    readonly asked: Asked;
  };
  readonly 'account-frozen': {
    readonly issuerName: string;
    readonly asked: Asked;
  };
  readonly 'passkey-added': {
    readonly issuerName: string;
    readonly objectUrl: string;
    readonly asked: Asked;
  };
}
