import { type Command, commandsOf, sendCommands } from '../../../domain/commands/commands.js';
import {
  ANSWER_DAYS,
  AUDIT_ANSWER_DAYS,
  AUDIT_DAYS,
  type AuditState,
  countRecipients,
  type Deletion,
  daysAfter,
  findLetters,
  finishDeletion,
  type Heard,
  listRecipients,
  listRecipientsToTell,
  lockDeletion,
  noteAudited,
  noteAudits,
  noteHeard,
  noteLook,
  OPEN_RECIPIENTS,
  type RecipientState,
} from '../../../domain/deletions/deletions.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import { DELETION_ANSWERED, reasonOf, type Saga } from './saga.js';
import { type DeletionSums, tellOfDeletion } from './tell.js';

const HOUR = 3_600_000;
const PAGE = 100;
const within = <T>({ db }: Saga, act: (work: Work) => Promise<T>) => openWork(db, { kind: 'system' }, act);

const STATE_OF: Readonly<Record<Command['state'], Heard['state']>> = {
  waiting: 'asked',
  accepted: 'later',
  confirmed: 'confirmed',
  kept: 'kept',
  received: 'received',
  refused: 'refused',
  unreachable: 'unreachable',
};

function auditOf({ state, accountState }: Command): AuditState {
  if (state === 'waiting' || state === 'accepted') return 'asked';
  if (state === 'kept' || accountState === 'archived') return 'kept';
  if (accountState === 'active' || accountState === 'suspended') return 'there';
  return state === 'confirmed' && accountState === 'unknown' ? 'gone' : 'unknown';
}

/** Writes down what the apps have said so far, page by page; also of what an operator had told anew long after. */
export async function hear(saga: Saga, id: string): Promise<void> {
  let after: Parameters<typeof commandsOf>[2];
  do {
    const page = await commandsOf(saga.db, reasonOf(id), { ...after, limit: PAGE });
    await within(saga, async work => {
      await lockDeletion(work.tx, id);
      await note(work, id, page.commands, saga.now);
    });
    after = page.after && { after: page.after };
  } while (after && !saga.signal.aborted);
}

async function note(work: Work, id: string, commands: readonly Command[], now: Date): Promise<void> {
  const audits = commands.filter(({ command }) => command === 'audit');
  const others = commands.filter(({ command }) => command !== 'audit');
  await noteAudits(
    work,
    id,
    audits.map(command => noticed(command.clientId, auditOf(command), command.endedAt ?? now)),
  );
  await noteHeard(
    work,
    id,
    others.map(({ clientId, state, answer, note: said, attempts, endedAt }) => {
      return { clientId, state: STATE_OF[state], answer, note: said, attempts, endedAt };
    }),
  );
}

const noticed = (clientId: string, audit: AuditState, at: Date) => ({
  clientId,
  audit,
  at: audit === 'asked' ? undefined : at,
});

const open = (counts: Readonly<Record<string, number>>, states: readonly string[]) =>
  states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);

/** removed → finished, once each app was heard, or has had four weeks. Says whether it is. */
export async function finish(saga: Saga, { id, begunAt = saga.now }: Deletion): Promise<boolean> {
  await hear(saga, id);
  const isOver = saga.now >= daysAfter(begunAt, ANSWER_DAYS);
  const waiting = open(await countRecipients(saga.db, id), OPEN_RECIPIENTS);
  return within(saga, async work => {
    if ((await lockDeletion(work.tx, id))?.state !== 'removed') return false;
    if (waiting > 0 && !isOver) {
      await noteLook(work.tx, id, new Date(saga.now.getTime() + HOUR));
      return false;
    }
    if (waiting > 0) await giveUpOn(work, saga, id);
    await askOnceMore(work, saga, id);
    const letters = await findLetters(work.tx, saga.telling.keyring, id);
    if (!(await finishDeletion(work, { id, at: saga.now }))) return false;
    const sums = sumsOf(await countRecipients(work.tx, id));
    if (letters) tellOfDeletion(work, saga.telling, letters, { kind: 'finished', sums });
    return true;
  });
}

/** How many apps said what. */
export function sumsOf(counts: Readonly<Record<string, number>>): DeletionSums {
  const of = (...states: RecipientState[]) => open(counts, states);
  return {
    confirmed: of('confirmed', 'settled'),
    kept: of('kept'),
    open: of('noted', 'asked', 'later', 'received', 'refused', 'unreachable'),
  };
}

async function giveUpOn(work: Work, saga: Saga, id: string): Promise<void> {
  for (const states = OPEN_RECIPIENTS; ; ) {
    const rows = await listRecipients(work.tx, id, { states, limit: PAGE });
    const heard = { state: 'unreachable', answer: 'no_answer', note: undefined, endedAt: saga.now } as const;
    await noteHeard(
      work,
      id,
      rows.map(({ clientId, attempts }) => ({ ...heard, clientId, attempts })),
    );
    if (rows.length < PAGE) return;
  }
}

/* While it is still known by what the app knows the person: sent in thirty days, and sealed until then. */
async function askOnceMore(work: Work, saga: Saga, id: string): Promise<void> {
  const { keyring } = saga.telling;
  const notBefore = daysAfter(saga.now, AUDIT_DAYS);
  let after = '';
  for (;;) {
    const page = { after, states: ['confirmed'] as const, limit: PAGE };
    const apps = await listRecipientsToTell(work, keyring, id, page);
    const tellings = apps.map(({ clientId, subject }) => ({
      clientId,
      subject,
      command: 'audit' as const,
      reason: reasonOf(id),
      notBefore,
      wakes: DELETION_ANSWERED,
    }));
    await sendCommands(work, keyring, tellings, { days: AUDIT_ANSWER_DAYS });
    await noteAudits(
      work,
      id,
      apps.map(({ clientId }) => noticed(clientId, 'asked', saga.now)),
    );
    if (apps.length < PAGE) return;
    after = apps.at(-1)?.clientId ?? '';
  }
}

/** finished → audited: those who had confirmed have said it once more, or have not within a week. */
export async function audit(saga: Saga, { id, auditsAt = saga.now }: Deletion): Promise<boolean> {
  await hear(saga, id);
  const counts = await countRecipients(saga.db, id);
  const isOver = saga.now >= daysAfter(auditsAt, AUDIT_ANSWER_DAYS);
  return within(saga, async work => {
    if ((await lockDeletion(work.tx, id))?.state !== 'finished') return false;
    const waiting = counts['audit:asked'] ?? 0;
    if (waiting > 0 && !isOver) {
      await noteLook(work.tx, id, new Date(saga.now.getTime() + HOUR));
      return false;
    }
    return noteAudited(work, { id, at: saga.now, there: counts['audit:there'] ?? 0 });
  });
}
