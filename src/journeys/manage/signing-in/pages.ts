import type { AccountPage } from '../door.js';
import { APP_PAGES } from './apps.js';
import { CODE_PAGES } from './codes.js';
import { PASSKEY_PAGES } from './passkeys.js';
import { PASSWORD_PAGES } from './password.js';
import { WAYS_PAGES } from './ways.js';

/** All pages about how somebody signs in. */
export const SIGNING_IN_PAGES: readonly AccountPage[] = [
  ...WAYS_PAGES,
  ...PASSWORD_PAGES,
  ...PASSKEY_PAGES,
  ...APP_PAGES,
  ...CODE_PAGES,
];
