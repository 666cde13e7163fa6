import { COPY_PAGES, copySection } from '../copies/pages.js';
import { type AccountCall, type AccountPage, showAccount } from '../door.js';
import { IMPORT_PAGES } from '../imports/pages.js';
import { AGENT_PAGES } from '../rights/agents.js';
import { RIGHTS_PAGES } from '../rights/pages.js';

/** Where somebody is told what they may do with all that is held about them. */
export const YOUR_DATA = '/account/data';

/** One page for all of it: a copy, another place, the end. */
export const YOUR_DATA_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: YOUR_DATA, nav: 'data', run: showYourData },
  ...COPY_PAGES,
  ...IMPORT_PAGES,
  ...RIGHTS_PAGES,
  ...AGENT_PAGES,
];

/** Seconds after which the page is loaded anew while something is made. */
const REFRESH = 5;

async function showYourData(call: AccountCall): Promise<void> {
  const copy = await copySection(call);
  const underWay = copy.current.some(({ watch }) => watch !== undefined);
  showAccount(call, 'account/data', {
    copy,
    leaving: isLeaving(call),
    ...(underWay && { refresh: REFRESH }),
  });
}

/* It came along with the session. */
const isLeaving = ({ me }: AccountCall) => me.person.account.leaving_at !== null;
