import { type AccountCall, type AccountPage, showAccount } from '../door.js';

/** Where somebody is told what they may do with all that is held about them. */
export const YOUR_DATA = '/account/data';

/** One page for all of it: a copy, another place, the end. */
export const YOUR_DATA_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: YOUR_DATA, nav: 'data', run: showYourData },
];

async function showYourData(call: AccountCall): Promise<void> {
  showAccount(call, 'account/data', {});
}
