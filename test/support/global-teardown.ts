import { rm } from 'node:fs/promises';

/** Stops the run's Postgres and removes its folder. */
export default async function tearDown(): Promise<void> {
  const { embedded, dataDir, removeTemplate } = globalThis.keyholdTestCluster;
  await removeTemplate();
  await embedded?.stop();
  for (const folder of [embedded?.folder, dataDir]) {
    if (folder) await rm(folder, { recursive: true, force: true });
  }
}
