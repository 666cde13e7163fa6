import type { ProfileProblem } from './manage/profile/models.js';
import type { RightsProblem } from './manage/rights/models.js';

/** A sentence under `problem.*` in the locales: why a form came back. */
export type ProblemWord =
  | 'email_missing'
  | 'email_invalid'
  | 'phone_missing'
  | 'phone_invalid'
  | 'phone_country'
  | 'phone_off'
  | 'contact_known'
  | 'contacts_full'
  | 'password_missing'
  | 'password_too_short'
  | 'password_too_long'
  | 'password_known'
  | 'password_contains_context'
  | 'credentials_wrong'
  | 'organisation_wrong'
  | 'organisation_disabled'
  | 'organisation_expired'
  | 'organisation_password_expired'
  | 'organisation_not_now'
  | 'organisation_no_access'
  | 'organisation_unreachable'
  | 'code_missing'
  | 'code_needed'
  | 'code_malformed'
  | 'code_wrong'
  | 'name_too_long'
  | 'terms_missing'
  | 'passkey_failed'
  | 'passkey_name_missing'
  | 'last_way_in'
  | 'second_missing'
  | 'second_malformed'
  | 'second_wrong'
  | 'recovery_malformed'
  | 'recovery_wrong'
  | 'setup_expired'
  | 'setup_wrong'
  | 'app_name_missing'
  | 'consent_changed'
  | 'receipt_missing'
  | 'receipt_too_large'
  | 'last_second_step'
  | 'last_factor'
  | 'move_not_due'
  | 'move_nothing_ticked'
  | 'account_gone'
  | 'device_code_missing'
  | 'device_code_wrong'
  | 'day_invalid'
  | 'days_reversed'
  | 'limited'
  | 'form_expired'
  | RightsProblem
  | ProfileProblem;

/** The controls a problem can point at; a problem without a field is about the whole form. */
export type FieldName =
  | 'value'
  | 'wish'
  | 'about'
  | 'words'
  | 'agent'
  | 'right'
  | 'picture'
  | 'receipt'
  | 'email'
  | 'phone'
  | 'password'
  | 'code'
  | 'name'
  | 'terms'
  | 'user_code'
  | 'from'
  | 'to'
  | 'thing';

/** One reason why a form came back, in a word of the locales. */
export interface Problem {
  readonly word: ProblemWord;
  readonly field?: FieldName;
  /** `count` for `code_wrong` (tries left) and `password_too_short`; `minutes` for `limited`. */
  readonly vars?: Readonly<Record<string, string | number>>;
}
