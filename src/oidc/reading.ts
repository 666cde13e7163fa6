import type { Keyring } from '../platform/crypto/keyring.js';
import { digest } from '../platform/crypto/tokens.js';
import type { StatementPool } from '../platform/storage/db.js';
import { statement } from '../platform/storage/db.js';
import { artefactOf, liveSlots, type Payload, payloadOf } from './artefacts.js';
import { deviceDigest } from './flush-statement.js';
import {
  type AccountSnapshot,
  artefactKey,
  type ConsentSnapshot,
  consentKey,
  learn,
  type Memory,
  type ReadRow,
} from './memory.js';
import * as reads from './reads.js';

/** What the request already tells about its reads. */
export interface Hints {
  readonly clientId?: string | undefined;
}

/** Reads that are remembered for the request; each fetches along what comes next. */
export interface Reading {
  find(model: string, id: string): Promise<Payload | undefined>;
  session(id: string): Promise<Payload | undefined>;
  sessionByUid(uid: string): Promise<Payload | undefined>;
  account(id: string): Promise<AccountSnapshot | undefined>;
  consent(accountId: string, clientId: string): Promise<ConsentSnapshot | undefined>;
  /** The uids of those who are signed in in this browser, the latest sign-in first. */
  people(silent: boolean): Promise<readonly string[]>;
  /** Reads a pending request that resumes in this browser, with the session it means there; gives that session's uid. */
  resume(interactionId: string): Promise<string | undefined>;
}

/** Opens the reads of one request on the pool of hot statements. */
export function openReading(pool: StatementPool, keyring: Keyring, memory: Memory, hints: Hints): Reading {
  const read = async (text: string, values: unknown[], clientId?: string): Promise<ReadRow | undefined> => {
    const { rows } = await pool.query<ReadRow>(statement(text, values));
    if (rows[0]) learn(memory, rows[0], keyring, clientId);
    return rows[0];
  };
  const meet = (people: readonly ReadRow[]) => {
    for (const row of people) learn(memory, row, keyring, undefined);
    const uids = people.map(row => String(row.session?.['uid']));
    memory.browser.here = uids.filter(uid => memory.sessions.get(uid));
  };
  return {
    find: async (model, id) => {
      const reference = deviceDigest(model, id);
      if (reference && !memory.devices.has(id)) return undefined;
      const key = artefactKey(model, id);
      if (!memory.artefacts.has(key)) {
        const row = await read(...readOf(model, id, memory));
        keep(memory, model, id, row);
        if (row && 'people' in row) meet(row.people ?? []);
        if (row && 'along' in row) memory.along.found = row.along;
        if (row?.crowd !== undefined) memory.browser.crowd = row.crowd;
      }
      return memory.artefacts.get(key);
    },
    session: async id => {
      if (!memory.uids.has(id))
        await read(reads.SESSION_READ, [digest(id), hints.clientId ?? null], hints.clientId);
      const uid = memory.uids.get(id);
      return uid === undefined ? undefined : memory.sessions.get(uid)?.payload;
    },
    sessionByUid: async uid => {
      if (!memory.sessions.has(uid)) {
        await read(reads.SESSION_BY_UID_READ, [uid, hints.clientId ?? null], hints.clientId);
      }
      return memory.sessions.get(uid)?.payload;
    },
    account: async id => {
      if (!memory.accounts.has(id)) await read(reads.ACCOUNT_READ, [id]);
      return memory.accounts.get(id);
    },
    people: async silent => {
      const { people, here } = memory.browser;
      if (here && !silent) return here;
      if (!people) return [];
      const values = [people, hints.clientId ?? null, silent];
      const { rows } = await pool.query<ReadRow>(statement(reads.PEOPLE_READ, values));
      for (const row of rows) learn(memory, row, keyring, hints.clientId);
      return rows.map(row => String(row.session?.uid)).filter(uid => memory.sessions.get(uid));
    },
    resume: async id => {
      const row = await read(reads.RESUME_READ, [id, liveSlots(), memory.browser.people ?? null]);
      keep(memory, 'Interaction', id, row);
      memory.browser.crowd = row?.crowd;
      const uid = row?.session?.uid;
      return typeof uid === 'string' && memory.sessions.get(uid) ? uid : undefined;
    },
    consent: async (accountId, clientId) => {
      const key = consentKey(accountId, clientId);
      if (!memory.consents.has(key)) await read(reads.CONSENT_READ, [accountId, clientId]);
      return memory.consents.get(key);
    },
  };
}

function readOf(model: string, id: string, { along, browser }: Memory): [text: string, values: unknown[]] {
  const slots = artefactOf(model).slotted ? [liveSlots()] : [];
  switch (model) {
    case 'Grant':
      return [reads.GRANT_READ, [id]];
    case 'Interaction':
      if (browser.choosing && browser.people) return [reads.CHOICE_READ, [id, ...slots, browser.people]];
      if (along.query !== undefined)
        return [reads.interactionReadAlong(along.query), [id, ...slots, browser.people ?? null]];
      return [reads.INTERACTION_READ, [id, ...slots]];
    default:
      return [reads.tokenRead(model), [deviceDigest(model, id) ?? digest(id), ...slots]];
  }
}

/* The engine knows nothing of a journey's notes: they are kept beside what it is given. */
function keep(memory: Memory, model: string, id: string, row: ReadRow | undefined): void {
  const key = artefactKey(model, id);
  if (model === 'Grant') {
    if (!memory.artefacts.has(key)) memory.artefacts.set(key, undefined);
    return;
  }
  const {
    progress,
    begunIn,
    userCode: _kept,
    ...found
  } = row?.artefact ? payloadOf(artefactOf(model), id, row.artefact) : {};
  if (typeof begunIn === 'string') memory.begunIn.set(id, begunIn.slice(2));
  if (typeof found['deviceCode'] === 'string') memory.devices.add(found['deviceCode']);
  if (model === 'Interaction' && row?.artefact)
    memory.progress.set(id, (progress as Payload | undefined) ?? {});
  memory.artefacts.set(key, row?.artefact ? found : undefined);
}
