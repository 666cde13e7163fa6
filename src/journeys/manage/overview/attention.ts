/** A word under `account_attention.*` in the locales: what a person should see to, the most pressing first. */
export type Attention = 'unproved_email' | 'no_passkey' | 'one_email';

/** All that it depends on. */
export interface SetUp {
  readonly password: boolean;
  readonly passkeys: number;
  readonly emails: { readonly proved: number; readonly unproved: number };
}

/** What needs attention: every way back in that is missing, or was begun and not finished. */
export function attentionOf({ passkeys, emails }: SetUp): readonly Attention[] {
  return [
    ...(emails.unproved > 0 ? (['unproved_email'] as const) : []),
    ...(passkeys === 0 ? (['no_passkey'] as const) : []),
    ...(emails.proved < 2 ? (['one_email'] as const) : []),
  ];
}
