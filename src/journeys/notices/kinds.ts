/**
 * What the owner of an account is told of when it happened. Each kind has its words in every language:
 * `news.<kind>_subject`, `news.<kind>_title` and `news.<kind>_what`, which may name `issuer` and the values it comes with.
 */
export const NEWS = [
  'account_frozen',
  'account_frozen_here',
  'accounts_merged',
  'accounts_unmerged',
  'consent_changed',
  'consent_withdrawn',
  'contacts_undone',
  'email_added',
  'email_made_primary',
  'email_removed',
  'export_asked',
  'export_ready',
  'language_changed',
  'move_confirmed',
  'new_device',
  'app_added',
  'app_removed',
  'passkey_added',
  'passkey_removed',
  'password_changed',
  'password_removed',
  'password_set',
  'phone_added',
  'phone_made_primary',
  'phone_removed',
  'phone_retired',
  'provider_added',
  'provider_removed',
  'profile_answered',
  'profile_changed',
  'profile_ending',
  'profile_scheduled',
  'profile_undone',
  'profile_waiting',
  'recovered_with_passkey',
  'recovered_with_password',
  'time_zone_changed',
  'sale_opted_in',
  'sale_opted_out',
  'topics_changed',
  'topics_started',
  'topics_stopped',
  'recovery_code_used',
  'recovery_codes_made',
  'second_step_ended',
  'recovery_begun',
  'recovery_waiting',
  'recovery_ready',
  'recovery_stopped',
  'recovery_expired',
  'recovery_completed',
  'second_step_failed',
  'right_asked',
  'right_extended',
  'right_decided',
  'right_by_agent',
  'restriction_begun',
  'restriction_ends',
  'restriction_ended',
  'mandate_given',
  'mandate_revoked',
] as const;

/** A kind of news. */
export type NewsKind = (typeof NEWS)[number];

/** What is put into the words of a kind. */
export type NewsValues = Readonly<Record<string, string | number>>;

/** The kind of a notice that was sent; undefined when this version knows no such kind. */
export function newsKind(about: string): NewsKind | undefined {
  return NEWS.find(kind => kind === about);
}

/* Each of these has a link of its own, which does the same and more. */
const STOPPABLE: readonly NewsKind[] = ['recovery_begun', 'recovery_waiting', 'recovery_ready'];

/* Time did it, or will: nobody could have. */
const NOBODYS: readonly NewsKind[] = ['account_frozen', 'profile_ending'];

/** Once an account is frozen there is nothing left to object to; a recovery that waits is stopped instead. */
export function isObjectable(kind: NewsKind): boolean {
  return !NOBODYS.includes(kind) && !STOPPABLE.includes(kind);
}

/** Whether an objection to this kind is for what was changed before: the account is frozen already. */
export function isAboutEarlier(kind: NewsKind): boolean {
  return kind === 'account_frozen_here';
}
