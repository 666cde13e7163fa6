import type { Clause } from '../platform/storage/db.js';
import type { Payload } from './artefacts.js';
import { copyOf } from './copy.js';
import type { Write } from './flush-statement.js';
import { artefactKey, type Memory } from './memory.js';
import { BY_REFERENCE, sameSession } from './session-row.js';

/** The writes of one request, in order, until they are taken for the flush. */
export interface PendingWrites {
  put(model: string, id: string, payload: Payload): void;
  putSession(payload: Payload): void;
  setProgress(interactionId: string, progress: Payload): void;
  consume(model: string, id: string): void;
  /** What another room writes in the same statement; without `waits` it may be lost as what was proved before a session may. */
  along(clause: Clause, waits?: boolean): void;
  /** Somebody says whether a device is theirs. */
  settleDevice(reference: string, how: 'claimed' | 'denied'): void;
  remove(model: string, id: string): void;
  endSession(id: string): void;
  endGrants(ids: readonly string[]): void;
  /** The uids of the sessions that end with this flush. */
  ending(): readonly string[];
  /** All that waits, so that it may wait again. */
  waiting(): readonly Write[];
  /** What waited then waits again, and nothing else. */
  putBack(waited: readonly Write[]): void;
  /** All writes, each row touched once; nothing waits afterwards. */
  take(): readonly Write[];
}

/** Opens the writes of one request beside what it has learned. */
export function openPendingWrites(memory: Memory): PendingWrites {
  let writes: Write[] = [];
  const inserted = new Set<string>();
  const drop = (concerned: (write: Write) => boolean) => {
    writes = writes.filter(write => !concerned(write));
  };
  return {
    put: (model, id, payload) => {
      const key = artefactKey(model, id);
      const isNew = inserted.has(key) || !memory.artefacts.get(key);
      drop(write => isOf(write, model, id) && 'payload' in write);
      if (isNew) inserted.add(key);
      writes.push({ act: isNew ? 'insert' : 'update', model, id, payload });
      memory.artefacts.set(key, copyOf(payload));
    },
    putSession: payload => {
      const uid = String(payload['uid']);
      if (payload['jti'] === BY_REFERENCE)
        throw new Error('a session that was read by reference is not saved');
      const before = memory.sessions.get(uid);
      const isNew = !before || inserted.has(artefactKey('Session', uid));
      drop(write => concernsSession(write, uid));
      memory.uids.set(String(payload['jti']), uid);
      if (isNew) {
        inserted.add(artefactKey('Session', uid));
        memory.sessions.set(uid, { payload: copyOf(payload), version: 1 });
        writes.push({ act: 'insert-session', payload });
      } else if (!sameSession(before.payload, payload)) {
        writes.push({ act: 'update-session', payload, version: before.version });
      }
    },
    setProgress: (id, progress) => {
      memory.progress.set(id, progress);
      drop(write => write.act === 'progress' && write.id === id);
      writes.push({ act: 'progress', id, progress });
    },
    consume: (model, id) => void writes.push({ act: 'consume', model, id }),
    along: (clause, waits = true) => void writes.push({ act: 'along', clause, waits }),
    settleDevice: (reference, how) => void writes.push({ act: 'settle-device', reference, how }),
    remove: (model, id) => {
      const key = artefactKey(model, id);
      drop(write => isOf(write, model, id) || (write.act === 'progress' && write.id === id));
      /* Somebody may have finished the request, or given it up, since it was read. */
      const once = model === 'Interaction' && memory.browser.arriving === true;
      if (!inserted.has(key)) writes.push({ act: 'remove', model, id, once });
      memory.artefacts.set(key, undefined);
    },
    endSession: id => {
      const uid = memory.uids.get(id);
      if (uid !== undefined) writes.push({ act: 'end-session', uid, reason: 'signed-out' });
    },
    endGrants: ids => {
      const fresh = ids.filter(
        id => !writes.some(write => write.act === 'end-grants' && write.ids.includes(id)),
      );
      if (fresh.length > 0) writes.push({ act: 'end-grants', ids: fresh });
      for (const id of fresh) memory.artefacts.set(artefactKey('Grant', id), undefined);
    },
    ending: () => writes.flatMap(write => (write.act === 'end-session' ? [write.uid] : [])),
    waiting: () => [...writes],
    putBack: waited => {
      writes = [...waited];
    },
    take: () => {
      const taken = withBrowser(withProgress(writes), memory);
      writes = [];
      return taken;
    },
  };
}

function isOf(write: Write, model: string, id: string): boolean {
  return 'model' in write && write.model === model && write.id === id;
}

/* Saving a session under a new id first removes the old id: both are about one row. */
function concernsSession(write: Write, uid: string): boolean {
  if (write.act === 'end-session') return write.uid === uid;
  return (write.act === 'insert-session' || write.act === 'update-session') && write.payload['uid'] === uid;
}

/* One statement may touch a row once: a request's progress rides with the request's own write. */
function withProgress(writes: readonly Write[]): Write[] {
  const steps = writes.filter(write => write.act === 'progress');
  return writes
    .filter(write => write.act !== 'progress' || !writes.some(other => savesRequest(other, write.id)))
    .map(write => {
      const step = steps.find(({ id }) => savesRequest(write, id));
      return step && 'payload' in write
        ? ({ ...write, payload: { ...write.payload, progress: step.progress } } as Write)
        : write;
    });
}

/* Whoever signs in comes to live in this browser, which gets a new name; those already there move along. */
function withBrowser(writes: readonly Write[], { browser }: Memory): Write[] {
  const placed = writes.map(write => {
    if (write.act === 'insert' && write.model === 'Interaction') {
      return { ...write, payload: { ...write.payload, begunIn: browser.form } };
    }
    const settles = write.act === 'insert-session' || write.act === 'update-session';
    if (!settles || !browser.renamed) return write;
    return {
      ...write,
      browser: browser.renamed,
      ...(browser.known && { known: browser.known, arriving: browser.arriving === true }),
      ...(browser.there !== undefined && { there: browser.there }),
      ...(browser.people && { from: browser.people }),
    };
  });
  if (!browser.renamed || !browser.people) return placed;
  const settled = placed.flatMap(write => ('browser' in write ? [String(write.payload['uid'])] : []));
  return [...placed, { act: 'move-people', from: browser.people, to: browser.renamed, except: settled }];
}

function savesRequest(write: Write, id: string): boolean {
  return (
    (write.act === 'insert' || write.act === 'update') && write.model === 'Interaction' && write.id === id
  );
}
