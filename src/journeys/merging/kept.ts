import { z } from 'zod';
import type { SaleChoice } from '../../domain/accounts/accounts.js';
import type { ConsentState } from '../../domain/consents/consents.js';
import type { ContactsBefore } from '../../domain/contacts/contacts.js';
import type { KeptPasskey } from '../../domain/credentials/credentials.js';
import type { KeptLink } from '../../domain/federation/federation.js';
import type { ReplacedValue } from '../../domain/profiles/profiles.js';

/** What it takes to undo a merge: how rows of either account were before, and what they were made. */
export interface Kept {
  readonly contacts: ContactsBefore;
  readonly passkeys: readonly KeptPasskey[];
  readonly links: readonly KeptLink[];
  readonly values: readonly ReplacedValue[];
  /** Consents of the account that stays that were made narrower: which stood then, and what it was before. */
  readonly consents: readonly {
    readonly clientId: string;
    readonly seen: string;
    readonly before: ConsentState;
  }[];
  readonly sale?: {
    readonly now: SaleChoice;
    readonly before?: { readonly choice: SaleChoice; readonly by: 'signal' | 'person'; readonly at: Date };
  };
}

const date = z.coerce.date();
const optionalDate = date.optional();

const contact = z.object({
  kind: z.enum(['email', 'phone']),
  address: z.string(),
  verifiedAt: optionalDate,
  isPrimary: z.boolean(),
  addedAt: date,
});

const strings = z.array(z.string());
const consent = z.object({
  id: z.string(),
  scopes: strings,
  claims: strings,
  refusedScopes: strings,
  refusedClaims: strings,
  uses: strings,
  refusedUses: strings,
  resources: z.record(z.string(), z.string()),
  notices: z.record(z.string(), z.number()),
  language: z.string(),
  givenAt: date,
  validUntil: optionalDate,
});

const choice = z.enum(['opted_out', 'opted_in']);

const schema = z.object({
  contacts: z.object({ here: z.array(contact), moved: z.array(contact) }),
  passkeys: z.array(z.looseObject({ id: z.string(), credential_id: z.string() })),
  links: z.array(z.looseObject({ id: z.string(), provider_id: z.string(), subject: z.string() })).default([]),
  values: z.array(
    z.object({
      attribute: z.string(),
      now: z.unknown(),
      before: z
        .object({
          value: z.unknown(),
          source: z.string(),
          at: date,
        })
        .optional(),
    }),
  ),
  consents: z.array(z.object({ clientId: z.string(), seen: z.string(), before: consent })),
  sale: z
    .object({
      now: choice,
      before: z.object({ choice, by: z.enum(['signal', 'person']), at: date }).optional(),
    })
    .optional(),
});

/** What was kept, as it was before it was written down. */
export function readKept(kept: unknown): Kept {
  return schema.parse(kept) as Kept;
}
