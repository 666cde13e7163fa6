/** A word under `account_attention.*` in the locales: what a person should see to, the most pressing first. */
export const ATTENTIONS = [
  'leaving',
  'recovery_waiting',
  'unproved_email',
  'incomplete_profile',
  'no_passkey',
  'one_email',
  'no_second_step',
] as const;
export type Attention = (typeof ATTENTIONS)[number];

/** All that it depends on. */
export interface SetUp {
  readonly password: boolean;
  readonly passkeys: number;
  /** The account asks for a second step after the password. */
  readonly secondStep: boolean;
  /** Nothing is missing that the operator requires of everybody. */
  readonly profileComplete: boolean;
  /** Somebody says that they have lost their phone, and waits. */
  readonly recovering: boolean;
  /** The account is to be deleted, and that has not begun. */
  readonly leaving: boolean;
  readonly emails: { readonly proved: number; readonly unproved: number };
}

/** What needs attention: every way back in that is missing, or was begun and not finished. */
export function attentionOf({
  password,
  passkeys,
  secondStep,
  emails,
  profileComplete,
  recovering,
  leaving,
}: SetUp): readonly Attention[] {
  return [
    ...(leaving ? (['leaving'] as const) : []),
    ...(recovering ? (['recovery_waiting'] as const) : []),
    ...(emails.unproved > 0 ? (['unproved_email'] as const) : []),
    ...(profileComplete ? [] : (['incomplete_profile'] as const)),
    ...(passkeys === 0 ? (['no_passkey'] as const) : []),
    ...(emails.proved < 2 ? (['one_email'] as const) : []),
    /* Whoever has no passkey is told of that first: it does more, and one thing at a time is enough. */
    ...(password && !secondStep && passkeys > 0 ? (['no_second_step'] as const) : []),
  ];
}
