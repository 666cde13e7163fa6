/** Why somebody is asked who may think that they are signed in: a sentence under `notice.*` in the locales. */
export type StepNotice =
  | 'account_exists'
  | 'someone_else'
  | 'passkey_needed'
  | 'passkey_wished'
  | 'second_needed'
  | 'second_wished'
  | 'second_for_role'
  | 'stronger_than_code'
  | 'recovered'
  | 'again'
  | 'archived'
  | 'recovery_stopped'
  | 'provider_known'
  | 'provider_unproved';
