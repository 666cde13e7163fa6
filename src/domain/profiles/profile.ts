/** The attributes that are kept, by the names of OpenID Connect Core §5.1. */
export const PROFILE_ATTRIBUTES = [
  'name',
  'family_name',
  'given_name',
  'middle_name',
  'nickname',
  'preferred_username',
  'picture',
  'website',
  'gender',
  'birthdate',
  'zoneinfo',
  'address',
] as const;
export type ProfileAttribute = (typeof PROFILE_ATTRIBUTES)[number];

/** Where a value came from. */
export type ProfileSource = 'person' | 'operator' | 'import';
