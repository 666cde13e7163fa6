import { listEmails } from '../../../domain/contacts/contacts.js';
import { findWaysIn } from '../../../domain/credentials/credentials.js';
import { keptAttributes } from '../../../domain/profiles/profiles.js';
import { findWaiting } from '../../../domain/recoveries/recoveries.js';
import { requestScope } from '../../../oidc/request-scope.js';
import { readEvents } from '../../../platform/storage/events.js';
import { type AccountCall, type AccountPage, showAccount } from '../door.js';
import { actionOf } from '../history/listing.js';
import { type Attention, attentionOf, type SetUp } from './attention.js';

const LAST = 5;

/** `/account`. */
export const OVERVIEW_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: '/account', nav: 'overview', run: showOverview },
];

/** What is set up in an account. */
export async function setUpOf({
  parts,
  me,
}: Pick<AccountCall, 'parts'> & { me: { accountId: string; secondStep: boolean } }) {
  const [ways, addresses, waiting] = await Promise.all([
    findWaysIn(parts.db, me.accountId),
    listEmails(parts.db, me.accountId),
    /* Nobody waits who has no second step: it costs no trip then. */
    me.secondStep ? findWaiting(parts.db, me.accountId) : undefined,
  ]);
  const proved = addresses.filter(({ verifiedAt }) => verifiedAt !== undefined).length;
  const emails = { proved, unproved: addresses.length - proved };
  const profileComplete = await isComplete(parts, me.accountId);
  const recovering = waiting !== undefined;
  const { secondStep } = me;
  const leaving = typeof (await requestScope().account(me.accountId))?.leaving_at === 'number';
  const kept = { ...ways, secondStep, emails, addresses, profileComplete, recovering, leaving };
  return kept satisfies SetUp & { addresses: unknown };
}

/* The values came along with the session, so that they are not read once more. */
async function isComplete({ profile: schema }: AccountCall['parts'], accountId: string): Promise<boolean> {
  const profile = (await requestScope().account(accountId))?.profile ?? {};
  return keptAttributes(schema)
    .filter(({ required, change }) => required && change.includes('person'))
    .every(({ name }) => profile[name] !== undefined);
}

async function showOverview(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const [setUp, events] = await Promise.all([
    setUpOf(call),
    readEvents(parts.db, parts.keyring, {
      accountId: me.accountId,
      only: ['session.authenticated'],
      limit: LAST,
    }),
  ]);
  const { password, passkeys, secondStep, addresses } = setUp;
  const signIns = await Promise.all(events.map(event => actionOf(parts, event, NO_NAMES)));
  showAccount(call, 'account/overview', {
    attention: attentionOf(setUp).map(word => ({ word, ...urlOf(word) })),
    password,
    passkeys,
    secondStep,
    addresses: addresses.map(({ address, verifiedAt }) => ({ address, proved: verifiedAt !== undefined })),
    signIns: signIns.map(({ at, word, device, country }) => ({
      at,
      word,
      ...(device !== undefined && { device }),
      ...(country !== undefined && { country }),
    })),
    historyUrl: '/account/history',
  });
}

/* Which app somebody signed in for is left to the history: it would be one more read. */
const NO_NAMES = new Map<string, string>();

const NEXT: Readonly<Partial<Record<Attention, string>>> = {
  leaving: '/account/data/delete',
  recovery_waiting: '/account/recovery',
  unproved_email: '/account/contacts',
  incomplete_profile: '/account/profile',
  no_passkey: '/account/sign-in/passkeys/new',
  one_email: '/account/contacts/add-email',
  no_second_step: '/account/sign-in/apps/new',
};

function urlOf(word: Attention): { readonly url?: string } {
  const url = NEXT[word];
  return url === undefined ? {} : { url };
}
