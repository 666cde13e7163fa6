import { openSchema } from '../../src/domain/profiles/profiles.js';
import { makeExports } from '../../src/journeys/privacy/export-job.js';
import type { Keyring } from '../../src/platform/crypto/keyring.js';
import type { JobDefinition, JobTry } from '../../src/platform/jobs/jobs.js';
import type { Db } from '../../src/platform/storage/db.js';
import { openRenderer } from '../../src/platform/web/render.js';
import { openWords } from '../../src/platform/web/words.js';

const words = openWords();
const renderer = openRenderer(words);

/** The job that makes copies, as one process has it. */
export function copyJob(db: Db, keyring: Keyring, issuer: URL | string): JobDefinition {
  return makeExports(db, {
    keyring,
    issuer: new URL(issuer),
    rp: { name: 'Keyhold' },
    renderer,
    translator: words.translator,
    schema: () => openSchema(db),
  });
}

/** One try of a job. */
export const aTry = (signal = new AbortController().signal, last = false): JobTry => ({
  id: '1',
  attempt: 1,
  last,
  signal,
});
