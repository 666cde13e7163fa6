import type { JobDefinition } from '../../../platform/jobs/jobs.js';
import type { Db } from '../../../platform/storage/db.js';
import { openWork } from '../../../platform/storage/work.js';
import { removeOldSessions } from '../session-store.js';
import { type Upstream, UpstreamTrouble } from '../upstream.js';
import { readAgain } from './reading.js';
import { samlSettings } from './settings.js';
import { listDueMetadata, noteMetadataFailure, removeOld } from './store.js';

const HOUR = 3_600_000;
const BATCH = 1_000;
/* A session here lasts thirty days; what it came by is of no use afterwards. */
const SESSION_DAYS = 31;

interface Reaching {
  readonly db: Db;
  reachAnyway(id: string): Promise<Upstream>;
}

/** Reads the metadata of identity providers again that is fetched from an address; what cannot be read leaves what was read before. */
export function refreshSamlMetadata({ db, reachAnyway }: Reaching): JobDefinition {
  return {
    name: 'refresh-saml-metadata',
    every: '*/15 * * * *',
    run: async (_payload, { signal }) => {
      for (const { providerId } of await listDueMetadata(db, new Date())) {
        if (signal.aborted) return;
        await refresh(db, await reachAnyway(providerId));
      }
    },
  };
}

async function refresh(db: Db, upstream: Upstream): Promise<void> {
  const { id: provider, kind, settings } = upstream.provider;
  const now = new Date();
  const again = new Date(now.getTime() + HOUR);
  try {
    if (kind !== 'saml') throw new UpstreamTrouble('untrue', 'malformed');
    const { changed } = await readAgain(upstream, samlSettings.parse(settings), now);
    if (!changed) return;
    await openWork(db, { kind: 'system' }, async work =>
      work.record({ type: 'identity_provider.metadata_changed', detail: { provider } }),
    );
  } catch (error) {
    const reason = error instanceof UpstreamTrouble ? error.reason : 'malformed';
    await openWork(db, { kind: 'system' }, async work => {
      if (await noteMetadataFailure(work.tx, provider, now, again))
        work.record({ type: 'identity_provider.metadata_failed', detail: { provider, reason } });
    });
  }
}

/** Removes which sessions at providers sessions here came by, once none can live that did, and all of SAML that has had its time. */
export function sweepFederatedSessions(db: Db): JobDefinition {
  return {
    name: 'sweep-federated-sessions',
    every: '25 * * * *',
    run: async (_payload, { signal }) => {
      const sweep = () =>
        openWork(db, { kind: 'system' }, async ({ tx, at }) => {
          const before = new Date(at.getTime() - SESSION_DAYS * 24 * HOUR);
          const removed = await removeOldSessions(tx, before, BATCH);
          return removed < BATCH ? removed + (await removeOld(tx, at, BATCH - removed)) : removed;
        });
      while (!signal.aborted && (await sweep()) >= BATCH);
    },
  };
}
