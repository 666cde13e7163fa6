import { OBJECTION_DAYS } from '../../domain/accounts/accounts.js';
import { undoChangesSince } from '../../domain/contacts/contacts.js';
import { removePasskey } from '../../domain/credentials/credentials.js';
import { disownApp, disownCodes } from '../../domain/factors/factors.js';
import { removeLink } from '../../domain/federation/federation.js';
import { cancelMove, findMove } from '../../domain/moves/moves.js';
import { undoChange } from '../../domain/profiles/profiles.js';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Work } from '../../platform/storage/work.js';
import { undoCompleted } from './heal.js';
import type { NewsKind } from './kinds.js';
import { endLinksTo, type ToldOf } from './tell.js';

/** Somebody objected to what they were told of. */
export interface Objected {
  readonly accountId: string;
  readonly undo: NonNullable<ToldOf['undo']>;
  /** The address that the link was mailed to: whoever pressed it reads mail there, and proved nothing else. */
  readonly by: string | undefined;
}

/** What an objection undoes, and the word of it (`objection.undo.<word>`) on the page that asks. */
export interface Undoing {
  readonly word: UndoWord;
  /** Whether there is anything of that kind to undo; decides what the page says. */
  concerns(objected: Objected): boolean;
  run(work: Work, objected: Objected, parts: { readonly keyring: Keyring }): Promise<void>;
}

/** What can be undone. */
export type UndoWord =
  | 'passkey'
  | 'app'
  | 'codes'
  | 'move'
  | 'addresses'
  | 'profile'
  | 'provider'
  | 'recovery'
  | 'merge';

/* The passkey that came with what they disown is not theirs, or it would let that person in again once they recovered. */
const newPasskey: Undoing = {
  word: 'passkey',
  concerns: ({ undo }) => undo['passkeyId'] !== undefined,
  run: async (work, { accountId, undo }) => {
    await removePasskey(work, accountId, String(undo['passkeyId']));
  },
};

/* What signs in somebody else at a provider goes, as a new passkey of theirs would. */
const newProvider: Undoing = {
  word: 'provider',
  concerns: ({ undo }) => undo['linkId'] !== undefined,
  run: async (work, { accountId, undo }) => {
    await removeLink(work, accountId, String(undo['linkId']));
  },
};

const DAY = 86_400_000;

/*
 * Whoever only reads mail must not take a second factor away, or it would be none: so an app can be disowned for a day, and
 * afterwards it takes the factor itself, or what stands in for it, to get rid of it.
 */
const newApp: Undoing = {
  word: 'app',
  concerns: ({ undo }) => undo['appId'] !== undefined && Date.now() - Date.parse(undo['addedAt'] ?? '') < DAY,
  run: (work, { accountId, undo }) => disownApp(work, accountId, String(undo['appId'])),
};

/* Whoever made codes has them all, and whoever used one was shown the one in its place; what they stand in for stays. */
const recoveryCodes: Undoing = {
  word: 'codes',
  concerns: () => true,
  run: (work, { accountId }) => disownCodes(work, accountId),
};

/*
 * A move to a phone that is not theirs: what was added there goes, and nothing more comes of it. For an app that is as above.
 */
const move: Undoing = {
  word: 'move',
  concerns: ({ undo }) => undo['moveId'] !== undefined,
  run: async (work, { accountId, undo }) => {
    const id = String(undo['moveId']);
    await cancelMove(work, { accountId, id }, 'disowned');
    const { kind, bound, boundAt } = (await findMove(work.tx, accountId, id)) ?? {};
    if (bound === undefined || boundAt === undefined) return;
    if (kind === 'passkey') await removePasskey(work, accountId, bound);
    else if (Date.now() - boundAt.getTime() < DAY) await disownApp(work, accountId, bound);
  },
};

/*
 * What whoever got in changed about the addresses goes with them, all of it and not from what is objected to on, or an address
 * they added a minute before would let them recover the account. Whoever presses must be who may undo it: the thief may not.
 */
const addresses: Undoing = {
  word: 'addresses',
  concerns: ({ by }) => by !== undefined,
  run: async (work, { accountId, by = '' }, { keyring }) => {
    const since = new Date(work.at.getTime() - OBJECTION_DAYS * 86_400_000);
    const undone = await undoChangesSince(work, accountId, { since, by });
    if (undone.outcome === 'undone') await endLinksTo(work, keyring, accountId, undone.lost);
  },
};

/* What they disown in their profile says again what it said before, as long as that is kept. */
const profile: Undoing = {
  word: 'profile',
  concerns: ({ undo }) => undo['profileChanges'] !== undefined,
  run: async (work, { accountId, undo }, { keyring }) => {
    for (const id of String(undo['profileChanges']).split(' ')) {
      await undoChange(work, { keyring }, { accountId, id, frozen: true });
    }
  },
};

/*
 * What the phone held comes back as it was, and what came in its place goes: whoever holds the one and reads mail is believed over
 * whoever knows the password and reads mail.
 */
const recovery: Undoing = {
  word: 'recovery',
  concerns: ({ undo }) => undo['recovery'] !== undefined,
  run: (work, { accountId, undo }) => undoCompleted(work, accountId, String(undo['recovery'])),
};

/* Freezing itself undoes it, whatever is objected to; the page of this news says so. */
const merge: Undoing = {
  word: 'merge',
  concerns: ({ undo }) => undo['merge'] !== undefined,
  run: async () => undefined,
};

/** What is undone when somebody objects to news of a kind. A new kind that changes something brings its line. */
const OF_KIND: Readonly<Partial<Record<NewsKind, Undoing>>> = {
  account_frozen_here: newPasskey,
  accounts_merged: merge,
  app_added: newApp,
  move_confirmed: move,
  passkey_added: newPasskey,
  phone_retired: move,
  provider_added: newProvider,
  profile_changed: profile,
  recovered_with_passkey: newPasskey,
  recovery_code_used: recoveryCodes,
  recovery_codes_made: recoveryCodes,
};

/** What is undone by every objection, whatever it is to: for what whoever got in may have left behind. */
const OF_EVERY: readonly Undoing[] = [recovery, addresses];

/** What an objection undoes. */
export function undoingsOf(kind: NewsKind | undefined, objected: Objected): readonly Undoing[] {
  const own = kind === undefined ? newPasskey : OF_KIND[kind];
  return [...(own ? [own] : []), ...OF_EVERY].filter(undoing => undoing.concerns(objected));
}
