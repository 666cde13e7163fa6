import type Router from '@koa/router';
import type { Parts } from '../journey.js';
import { type ApiOperation, mountApi } from './api.js';
import { APPS_OPERATIONS } from './apps/api.js';
import { APPS_PAGES } from './apps/pages.js';
import { CONTACT_OPERATIONS } from './contacts/api.js';
import { CONTACT_PAGES } from './contacts/pages.js';
import { undoRoutes } from './contacts/undo.js';
import { COPY_OPERATIONS } from './copies/api.js';
import { DELETION_OPERATIONS } from './deletion/api.js';
import { DELETION_PAGES } from './deletion/pages.js';
import { DEVICES_OPERATIONS } from './devices/api.js';
import { DEVICES_PAGES } from './devices/pages.js';
import { DISCLOSURES_OPERATIONS } from './disclosures/api.js';
import { DISCLOSURES_PAGES } from './disclosures/pages.js';
import { type AccountPage, mountPages } from './door.js';
import { HISTORY_OPERATIONS } from './history/api.js';
import { HISTORY_PAGES } from './history/pages.js';
import { LINKED_OPERATIONS } from './linked/api.js';
import { LINKED_PAGES } from './linked/pages.js';
import { MERGE_PAGES } from './merge/pages.js';
import { MESSAGES_OPERATIONS } from './messages/api.js';
import { MESSAGES_PAGES } from './messages/pages.js';
import { MOVE_OPERATIONS } from './move/api.js';
import { MOVE_PAGES } from './move/pages.js';
import { mountDescription } from './openapi.js';
import { OVERVIEW_OPERATIONS } from './overview/api.js';
import { OVERVIEW_PAGES } from './overview/pages.js';
import { PREFERENCES_OPERATIONS } from './preferences/api.js';
import { PREFERENCES_PAGES } from './preferences/pages.js';
import { PROFILE_OPERATIONS } from './profile/api.js';
import { PROFILE_PAGES } from './profile/pages.js';
import { PICTURE_PAGES, pictureRoutes } from './profile/picture.js';
import { PICTURE_OPERATIONS } from './profile/picture-api.js';
import { RECEIPT_OPERATIONS } from './receipts/api.js';
import { RECEIPT_PAGES } from './receipts/pages.js';
import { RECOVERY_OPERATIONS } from './recovery/api.js';
import { RECOVERY_PAGES } from './recovery/pages.js';
import { RIGHTS_OPERATIONS } from './rights/api.js';
import { SIGNING_IN_OPERATIONS } from './signing-in/api.js';
import { SIGNING_IN_PAGES } from './signing-in/pages.js';
import { YOUR_DATA_PAGES } from './yours/pages.js';

/** Every page and form of the account, in the order of the navigation. A topic adds its list here, and nothing else. */
export const ACCOUNT_PAGES: readonly AccountPage[] = [
  ...OVERVIEW_PAGES,
  ...RECOVERY_PAGES,
  ...PROFILE_PAGES,
  ...PICTURE_PAGES,
  ...SIGNING_IN_PAGES,
  ...LINKED_PAGES,
  ...MERGE_PAGES,
  ...MOVE_PAGES,
  ...DEVICES_PAGES,
  ...CONTACT_PAGES,
  ...APPS_PAGES,
  ...DISCLOSURES_PAGES,
  ...HISTORY_PAGES,
  ...RECEIPT_PAGES,
  ...MESSAGES_PAGES,
  ...PREFERENCES_PAGES,
  ...YOUR_DATA_PAGES,
  ...DELETION_PAGES,
];

/** Every operation of the account API. A topic adds its list here, and nothing else. */
export const API_OPERATIONS: readonly ApiOperation[] = [
  ...OVERVIEW_OPERATIONS,
  ...SIGNING_IN_OPERATIONS,
  ...LINKED_OPERATIONS,
  ...RECOVERY_OPERATIONS,
  ...MOVE_OPERATIONS,
  ...DEVICES_OPERATIONS,
  ...PROFILE_OPERATIONS,
  ...PICTURE_OPERATIONS,
  ...CONTACT_OPERATIONS,
  ...APPS_OPERATIONS,
  ...DISCLOSURES_OPERATIONS,
  ...HISTORY_OPERATIONS,
  ...RECEIPT_OPERATIONS,
  ...MESSAGES_OPERATIONS,
  ...PREFERENCES_OPERATIONS,
  ...RIGHTS_OPERATIONS,
  ...COPY_OPERATIONS,
  ...DELETION_OPERATIONS,
];

/** `/account` for people, `/api/me` for the apps that they let. */
export function accountRoutes(router: Router, parts: Parts): void {
  mountDescription(router, parts, API_OPERATIONS);
  mountPages(router, parts, ACCOUNT_PAGES);
  mountApi(router, parts, API_OPERATIONS);
  undoRoutes(router, parts);
  pictureRoutes(router, parts);
}
