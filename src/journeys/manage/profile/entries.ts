import { type LiveConsent, listLiveConsents } from '../../../domain/consents/consents.js';
import { type Correction, listCorrections } from '../../../domain/corrections/corrections.js';
import {
  type Blocked,
  beforeOf,
  type ChangeRow,
  type ElsewhereAttribute,
  judgeChange,
  type KeptAttribute,
  type KeptValue,
  keptAttributes,
  openSealed,
  purposeOf,
  readProfile,
} from '../../../domain/profiles/profiles.js';
import { type Purpose, secondsOf } from '../../../domain/purposes/purposes.js';
import { listSkippedQuestions, type SkippedQuestion } from '../../../domain/questions/questions.js';
import type { Parts } from '../../journey.js';

/** A change that has yet to happen. */
export interface OpenChange {
  readonly id: string;
  readonly state: 'waiting' | 'scheduled';
  readonly value: unknown;
  readonly askedAt: Date;
  readonly effectiveAt: Date | undefined;
}

/** A change that can still be undone. */
export interface UndoableChange {
  readonly id: string;
  readonly before: unknown;
  readonly at: Date;
  readonly until: Date;
}

/** All that a person is told beside one attribute of theirs. */
export interface ProfileEntry {
  readonly attribute: KeptAttribute;
  readonly kept: KeptValue | undefined;
  readonly purpose: Purpose;
  /** When the value goes; undefined as long as the account exists. */
  readonly until: Date | undefined;
  /** The apps that are let have it. */
  readonly apps: readonly { readonly clientId: string; readonly name: string }[];
  readonly mayChange: boolean;
  /** Why it cannot be changed now, though it may be at other times. */
  readonly blocked: Blocked | undefined;
  readonly open: OpenChange | undefined;
  readonly undoable: readonly UndoableChange[];
  /** What an operator turned down lately. */
  readonly refused: { readonly at: Date; readonly reason: string } | undefined;
  /** Of what is not known: that they were asked for it on their way to an app, and left it out. */
  readonly skipped?: SkippedQuestion | undefined;
  /** What the person asked to have corrected, the latest. */
  readonly correction: Correction | undefined;
}

const SHOWN_REFUSAL = 30 * 86_400_000;

/** Reads what somebody is told of their profile: three round trips, however much there is. */
export async function profileOf(
  { db, keyring, profile: schema }: Pick<Parts, 'db' | 'keyring' | 'profile'>,
  accountId: string,
  now = new Date(),
): Promise<readonly ProfileEntry[]> {
  const [{ values, changes }, consents, corrections] = await Promise.all([
    readProfile(db, accountId),
    listLiveConsents(db, accountId),
    listCorrections(db, keyring, accountId),
  ]);
  return keptAttributes(schema)
    .filter(({ see }) => see.includes('person'))
    .map(attribute => {
      const { name, limits } = attribute;
      const kept = values.get(name);
      const purpose = purposeOf(schema, attribute);
      const own = changes.filter(row => row.attribute === name);
      const mayChange = attribute.change.includes('person');
      const before = beforeOf(name, limits, own, kept !== undefined, now);
      return {
        attribute,
        kept,
        purpose,
        until: kept && endOf(purpose, kept),
        apps: consents.filter(consent => mayHave(consent, attribute)).map(appOf),
        mayChange,
        blocked: mayChange ? judgeChange(limits, before, { at: now, fresh: true }) : undefined,
        open: openOf(own, unseal),
        undoable: own.flatMap(row => undoableOf(row, now, unseal)),
        refused: refusedOf(own, now),
        correction: corrections.find(each => each.attribute === name && each.state !== 'withdrawn'),
      };
    });

  function unseal(row: ChangeRow, sealed: Buffer): unknown {
    /* Under a secret that is lost nobody reads it; the change itself can still be taken back. */
    try {
      return openSealed(keyring, row, sealed);
    } catch {
      return undefined;
    }
  }
}

/** The same with what they were asked for on their way to an app, and left out. */
export async function profileAndSkippedOf(
  parts: Pick<Parts, 'db' | 'keyring' | 'profile'>,
  accountId: string,
): Promise<readonly ProfileEntry[]> {
  const [entries, skipped] = await Promise.all([
    profileOf(parts, accountId),
    listSkippedQuestions(parts.db, accountId),
  ]);
  return entries.map(entry => {
    const { attribute, purpose, kept } = entry;
    const own = skipped.find(each => each.attribute === attribute.name && each.purpose === purpose.id);
    return kept || !own ? entry : { ...entry, skipped: own };
  });
}

const appOf = ({ clientId, name }: LiveConsent) => ({ clientId, name });

type Unseal = (row: ChangeRow, sealed: Buffer) => unknown;

function endOf({ retention }: Purpose, { at }: KeptValue): Date | undefined {
  return retention === 'account' ? undefined : new Date(at.getTime() + secondsOf(retention) * 1_000);
}

/** Whether an app is let have an attribute: by its name, or by a scope that stands for it. */
export function mayHave(
  { scopes, claims }: Pick<LiveConsent, 'scopes' | 'claims'>,
  { name, scope, see }: KeptAttribute | ElsewhereAttribute,
): boolean {
  return see.includes('apps') && (claims.includes(name) || (scope !== undefined && scopes.includes(scope)));
}

function openOf(rows: readonly ChangeRow[], unseal: Unseal): OpenChange | undefined {
  const row = rows.find(({ state }) => state === 'waiting' || state === 'scheduled');
  if (row?.state !== 'waiting' && row?.state !== 'scheduled') return undefined;
  const { id, state, value, asked_at, effective_at } = row;
  return {
    id,
    state,
    value: value ? unseal(row, value) : undefined,
    askedAt: asked_at,
    effectiveAt: effective_at ?? undefined,
  };
}

function undoableOf(row: ChangeRow, now: Date, unseal: Unseal): UndoableChange[] {
  const { id, state, value_before, settled_at, undo_until } = row;
  if (state !== 'done' || !value_before || !settled_at || !undo_until || undo_until <= now) return [];
  const before = unseal(row, value_before) as { readonly value: unknown } | null | undefined;
  return [{ id, before: before?.value, at: settled_at, until: undo_until }];
}

function refusedOf(rows: readonly ChangeRow[], now: Date): ProfileEntry['refused'] {
  const [row] = rows;
  if (row?.state !== 'refused' || !row.settled_at) return undefined;
  if (now.getTime() - row.settled_at.getTime() > SHOWN_REFUSAL) return undefined;
  return { at: row.settled_at, reason: row.reason ?? '' };
}
