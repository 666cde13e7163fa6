import type Koa from 'koa';
import type { NoteReplay, Protection } from '../domain/protection/protection.js';
import type { Claims } from '../oidc/claims.js';
import type { Disclosing } from '../oidc/disclosing.js';
import type { Engine } from '../oidc/provider.js';
import type { SubjectOf } from '../oidc/subjects.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import type { Db } from '../platform/storage/db.js';
import type { Csrf } from '../platform/web/csrf.js';
import type { SamlKeys } from './keys.js';

/** How a message is taken to an app by the person's own browser: by a form, or by an address. */
export type Passage =
  | {
      readonly action: string;
      readonly fields: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly link: string };

/** The same, with the name of the app. */
export type Onward = { readonly app: string } & Passage;

/** The pages that people see on the way. */
export interface SamlPages {
  /** A form that sends itself. */
  onward(ctx: Koa.Context, onward: Onward): void;
  /** Whoever is signed out, and which apps could not be told. */
  signedOut(ctx: Koa.Context, left: { readonly untold: readonly string[] }): void;
}

/** What signing people in to apps that speak SAML works with. */
export interface SamlParts {
  readonly issuer: URL;
  readonly db: Db;
  readonly keyring: Keyring;
  readonly provider: Engine;
  readonly claims: Claims;
  readonly disclosing: Disclosing;
  readonly subjectOf: SubjectOf;
  readonly protection: Protection;
  readonly noteReplay: NoteReplay;
  readonly csrf: Csrf;
  readonly samlKeys: SamlKeys;
  readonly samlPages: SamlPages;
}
