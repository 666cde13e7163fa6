import type { ExportScope } from '../../platform/storage/export-file.js';

/** What the files of an export are about, in the order in which a person reads. A file that is in none is "other". */
export const EXPORT_GROUPS = {
  you: [
    'account',
    'choices',
    'profile',
    'pictures',
    'profile-changes',
    'corrections',
    'rights-requests',
    'rights-mandates',
    'questions',
    'email-addresses',
    'phone-numbers',
    'sign-in-addresses',
    'contact-changes',
  ],
  apps: [
    'consents',
    'consent-ledger',
    'disclosures',
    'app-commands',
    'app-names',
    'app-grants',
    'app-access',
    'app-lasting-access',
  ],
  signing_in: [
    'password',
    'passkeys',
    'authenticator-apps',
    'recovery-codes',
    'identity-providers',
    'identity-provider-sessions',
    'identity-provider-tokens',
    'sessions',
    'known-browsers',
    'remembered-browsers',
    'codes-sent',
    'lost-phones',
    'phone-moves',
  ],
  messages: ['messages', 'topics', 'notices'],
  rest: ['history', 'merged-accounts', 'terms', 'copies', 'deletions'],
} as const;

/** The groups in their order: words under `export_group.*`. */
export const GROUPS = ['you', 'apps', 'signing_in', 'messages', 'rest'] as const;
export type Group = (typeof GROUPS)[number];

/** A kind of thing as the index tells of it, with its files. */
export interface IndexEntry {
  /** A word under `export_file.*` and `export_more.*`, where this version has one. */
  readonly word: string;
  readonly rows: number;
  readonly json: readonly string[];
  readonly csv: readonly string[];
  readonly others: readonly string[];
  readonly schema: string | undefined;
}

/** `index.html` of an export: for whoever opens it from their own disk, years later. */
export interface CoverPage {
  readonly scope: ExportScope;
  readonly issuer: string;
  readonly askedAt: Date;
  readonly madeAt: Date;
  readonly profile: readonly {
    readonly label: string;
    readonly lines: readonly string[];
    readonly purpose: string;
  }[];
  readonly contacts: readonly {
    readonly kind: 'email' | 'phone';
    readonly address: string;
    readonly proven: boolean;
  }[];
  readonly groups: readonly { readonly word: Group; readonly entries: readonly IndexEntry[] }[];
}

/** The pages of this journey. */
export interface ExportPages {
  readonly 'export/cover': CoverPage;
}
