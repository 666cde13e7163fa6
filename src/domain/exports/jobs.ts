import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import { RECORD_DAYS } from './export.js';
import { removeImports } from './imports.js';
import * as store from './store.js';

const DAY = 86_400_000;
const BATCH = 200;

/** What ends copies whose days are over and removes what was in them. */
export interface ExportSweep {
  readonly clock?: () => Date;
}

/** Ends copies whose days are over, and removes what was in those that are over, in batches; the record is kept for a year. */
export function sweepExports(db: Db, { clock = () => new Date() }: ExportSweep = {}): JobDefinition {
  return {
    name: 'sweep-exports',
    every: '*/10 * * * *',
    run: async (_payload, { signal }) => {
      const at = clock();
      const all = async (some: () => Promise<number>) => {
        while (!signal.aborted && (await some()) === BATCH);
      };
      await all(() => endOver(db, at));
      await all(() => removeImports(db, at, BATCH));
      await all(() => store.removePieces(db, BATCH));
      await all(() => store.removeFiles(db, BATCH));
      await all(() => store.removeRecords(db, new Date(at.getTime() - RECORD_DAYS * DAY), BATCH));
    },
  };
}

async function endOver(db: Db, at: Date): Promise<number> {
  const over = await store.listOver(db, at, BATCH);
  for (const key of over) {
    await openWork(db, { kind: 'system' }, async work => {
      const turn = { from: ['ready'], to: 'expired', at: work.at } as const;
      if (!(await store.updateState(work.tx, key, turn))) return;
      work.record({ type: 'export.expired', accountId: key.accountId, detail: { export: key.id } });
    });
  }
  return over.length;
}
