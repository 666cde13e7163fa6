import { answering, readJsonFile, type Shell, Usage } from '../../platform/shell.js';
import { openWork } from '../../platform/storage/work.js';
import { listResourceServers, registerResourceServer, removeResourceServer } from './resources.js';

export const RESOURCES_USAGE = `keyhold resource-servers add FILE.json|-                     an API that takes access tokens, or a change to it
keyhold resource-servers list                                the APIs
keyhold resource-servers remove IDENTIFIER                   issue no further token for an API`;

/** Runs one verb and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runResourceServers([verb, name]: readonly string[], shell: Shell): Promise<number> {
  const operator = { kind: 'operator' } as const;
  return answering(shell, RESOURCES_USAGE, async () => {
    if (verb === 'list') return listResourceServers(shell.db);
    if (verb === 'add' && name) {
      const input = await readJsonFile(name);
      return openWork(shell.db, operator, work => registerResourceServer(work, input));
    }
    if (verb !== 'remove' || !name) throw new Usage();
    await openWork(shell.db, operator, work => removeResourceServer(work, name));
    return undefined;
  });
}
