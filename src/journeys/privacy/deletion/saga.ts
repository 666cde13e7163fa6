import { closeAccount, lockAccount, mayLeave, removeAccount } from '../../../domain/accounts/accounts.js';
import { sendCommands } from '../../../domain/commands/commands.js';
import { listLiveConsents } from '../../../domain/consents/consents.js';
import { endProofs } from '../../../domain/contacts/contacts.js';
import {
  beginDeletion,
  countRecipients,
  type Deletion,
  findAccountOf,
  findLetters,
  listRecipientsToTell,
  lockDeletion,
  noteAsked,
  noteLook,
  noteRecipients,
  noteRemoved,
  noteTold,
} from '../../../domain/deletions/deletions.js';
import { endSessionsOf } from '../../../oidc/session.js';
import { BACKCHANNEL_LOGOUT } from '../../../oidc/session-ending.js';
import type { SubjectOf } from '../../../oidc/subjects.js';
import { forgetJobs } from '../../../platform/jobs/naming.js';
import type { Db } from '../../../platform/storage/db.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import { withdrawFromApp } from '../../consent/withdraw.js';
import type { Telling } from '../../notices/tell.js';
import { listRecipientApps, subjectsAt } from '../recipients.js';
import { FORGETTING } from '../rooms.js';
import { lettersTo, undo } from './ask.js';
import { type Erased, noteErased } from './erased-list.js';
import { tellOfDeletion } from './tell.js';

/** What the steps of a deletion work with. */
export interface Saga {
  readonly db: Db;
  readonly telling: Telling;
  readonly subjectOf: SubjectOf;
  /** Where it is noted, apart from the database, what was erased. */
  readonly erasedList: string | undefined;
  /** How many days an app is told again that does not take it. */
  readonly days: number;
  readonly now: Date;
  readonly signal: AbortSignal;
  /** Rows that one transaction removes. */
  readonly batch?: number;
}

/** The job that is enqueued when an app has answered. */
export const DELETION_ANSWERED = 'deletion-answered';

/** What was told for a deletion is found by this. */
export const reasonOf = (id: string) => ({ kind: 'deletion', id });

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const later = (at: Date, ms: number) => new Date(at.getTime() + ms);
const within = <T>({ db }: Saga, act: (work: Work) => Promise<T>) => openWork(db, { kind: 'system' }, act);

/** Looks at it again then; nothing more is to be done now. */
async function wait(saga: Saga, id: string, ms: number, trouble?: string): Promise<false> {
  await within(saga, work => noteLook(work.tx, id, later(saga.now, ms), trouble));
  return false;
}

/**
 * waiting → begun, in one transaction: the account is closed and nobody is in it any more, what it allowed is taken back, and
 * before that it is noted who has to hear of it and where mail goes. Says whether the next step is due at once.
 */
export async function begin(saga: Saga, { id }: Deletion): Promise<boolean> {
  const accountId = await findAccountOf(saga.db, id);
  if (accountId === undefined) return wait(saga, id, HOUR, 'account_gone');
  return within(saga, async work => {
    const account = await lockAccount(work, accountId);
    const deletion = await lockDeletion(work.tx, id);
    if (!account || deletion?.state !== 'waiting' || deletion.beginsAt > saga.now) return false;
    const unused = deletion.cause === 'dormancy';
    const may = mayLeave(account, unused ? 'unused' : 'wish');
    if (may === 'held') await noteLook(work.tx, id, later(saga.now, DAY), 'account_suspended');
    if (may === 'stays')
      await undo(work, saga.telling, { id, accountId, by: unused ? 'used_again' : 'frozen' });
    if (may !== 'yes') return false;
    return close(work, saga, { id, accountId, account, quiet: deletion.cause === 'restored' });
  });
}

interface Closing {
  readonly id: string;
  readonly accountId: string;
  readonly account: { readonly id: string; readonly language: string };
  /** Its person heard of it before. */
  readonly quiet: boolean;
}

async function close(work: Work, saga: Saga, { id, accountId, account, quiet }: Closing): Promise<boolean> {
  const { keyring } = saga.telling;
  const kept = await findLetters(work.tx, keyring, id);
  if (!kept) return false;
  const { addresses, ...reader } = await lettersTo(work.tx, account);
  const letters = { ...kept, ...reader, addresses: quiet ? [] : addresses };
  await noteRecipients(work, keyring, id, await toTell(work, saga, accountId));
  for (const { clientId } of await listLiveConsents(work.tx, accountId))
    await withdrawFromApp(work, { accountId, clientId, method: 'deletion' });
  await closeAccount(work, accountId);
  await endSessionsOf(work, accountId, 'account-closed');
  await endProofs(work, accountId);
  const times = { at: saga.now, lookAt: saga.now };
  if (!(await beginDeletion(work, keyring, { id, accountId, letters, ...times }))) return false;
  tellOfDeletion(work, saga.telling, letters, { kind: 'begun' });
  return true;
}

async function toTell(work: Work, { subjectOf }: Saga, accountId: string) {
  const apps = await listRecipientApps(work.tx, accountId);
  const clientIds = apps.map(({ clientId }) => clientId);
  const subjects = await subjectsAt(work.tx, subjectOf, accountId, clientIds);
  return apps.map(app => ({ ...app, subject: subjects.get(app.clientId) }));
}

/* Few enough that sealing what each is told keeps nobody waiting who signs in meanwhile. */
const APPS = 20;

/** begun → told: each app that has to hear of it is told, a batch in a transaction; the same app never twice. */
export async function tell(saga: Saga, { id }: Deletion): Promise<boolean> {
  const { keyring } = saga.telling;
  for (;;) {
    if (saga.signal.aborted) return false;
    const more = await within(saga, async work => {
      if ((await lockDeletion(work.tx, id))?.state !== 'begun') return 0;
      const apps = await listRecipientsToTell(work, keyring, id, { states: ['noted'], limit: APPS });
      const tellings = apps.map(({ clientId, subject }) => ({
        clientId,
        subject,
        command: 'delete' as const,
        reason: reasonOf(id),
        wakes: DELETION_ANSWERED,
      }));
      await sendCommands(work, keyring, tellings, { days: saga.days });
      await noteAsked(
        work,
        id,
        apps.map(({ clientId }) => clientId),
        saga.now,
      );
      return apps.length;
    });
    if (more < APPS) break;
  }
  const accountId = await findAccountOf(saga.db, id);
  const apps = Object.entries(await countRecipients(saga.db, id))
    .filter(([word]) => !word.startsWith('audit:'))
    .reduce((sum, [, count]) => sum + count, 0);
  const times = { at: saga.now, lookAt: later(saga.now, MINUTE) };
  return within(saga, work => noteTold(work, { id, accountId, apps, ...times }));
}

const BATCH = 500;

/**
 * told → removed: room by room, a batch in a transaction, until a whole round finds nothing; then the account and its key. Requests
 * that were under way when it was closed are over by then.
 */
export async function remove(saga: Saga, deletion: Deletion): Promise<boolean> {
  const { id, begunAt = saga.now } = deletion;
  const settled = later(begunAt, MINUTE);
  if (settled > saga.now) return wait(saga, id, settled.getTime() - saga.now.getTime());
  const accountId = await findAccountOf(saga.db, id);
  if (accountId === undefined) return wait(saga, id, HOUR, 'account_gone');
  const { addresses } = (await findLetters(saga.db, saga.telling.keyring, id)) ?? { addresses: [] };
  while ((await forgetRound(saga, { accountId, addresses })) > 0) if (saga.signal.aborted) return false;
  const jobs = await within(saga, work =>
    forgetJobs(work.tx, accountId, { names: [BACKCHANNEL_LOGOUT], since: later(saga.now, -HOUR) }),
  );
  if (jobs > 0) return wait(saga, id, MINUTE);
  await noteErased(saga.erasedList, erasedOf(deletion, saga.now));
  return within(saga, async work => {
    if ((await lockDeletion(work.tx, id))?.state !== 'told') return false;
    await removeAccount(work, accountId);
    return noteRemoved(work, { id, at: saga.now, lookAt: saga.now });
  });
}

async function forgetRound(
  saga: Saga,
  whom: { readonly accountId: string; readonly addresses: readonly string[] },
): Promise<number> {
  const { batch = BATCH } = saga;
  let all = 0;
  for (const { forget } of FORGETTING) {
    let removed = batch;
    while (removed === batch && !saga.signal.aborted) {
      removed = await within(saga, work => forget(work, whom, batch));
      all += removed;
    }
  }
  return all;
}

/** What the list of what was erased says of a deletion. */
export function erasedOf({ id, mark, link }: Pick<Deletion, 'id' | 'mark' | 'link'>, at: Date): Erased {
  const [account, digest] = [mark.toString('base64url'), link.toString('base64url')];
  return { account, at: at.toISOString(), deletion: id, link: digest };
}
