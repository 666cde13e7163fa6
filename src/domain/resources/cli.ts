import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { Refusal } from '../../platform/errors.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import { listResourceServers, registerResourceServer, removeResourceServer } from './resources.js';

/** What the verbs work with; `print` is for standard output, `fail` for standard error. */
export interface ResourcesCommand {
  readonly db: Db;
  print(text: string): void;
  fail(text: string): void;
}

export const RESOURCES_USAGE = `keyhold resource-servers add FILE.json|-                     an API that takes access tokens, or a change to it
keyhold resource-servers list                                the APIs
keyhold resource-servers remove IDENTIFIER                   issue no further token for an API`;

/** Runs one verb and gives the exit code: 0 done, 1 refused, 2 not understood. */
export async function runResourceServers(
  words: readonly string[],
  command: ResourcesCommand,
): Promise<number> {
  const [verb, name] = words;
  const { db, print, fail } = command;
  const answer = (value: unknown) => print(`${JSON.stringify(value, null, 2)}\n`);
  const operator = { kind: 'operator' } as const;
  try {
    if (verb === 'list') {
      answer(await listResourceServers(db));
    } else if (verb === 'add' && name) {
      const input: unknown = JSON.parse(
        name === '-' ? await text(process.stdin) : readFileSync(name, 'utf8'),
      );
      answer(await openWork(db, operator, work => registerResourceServer(work, input)));
    } else if (verb === 'remove' && name) {
      await openWork(db, operator, work => removeResourceServer(work, name));
    } else {
      fail(RESOURCES_USAGE);
      return 2;
    }
    return 0;
  } catch (error) {
    if (error instanceof Refusal) fail(error.message);
    else if (error instanceof SyntaxError) fail(`${name} is not JSON: ${error.message}`);
    else if (['ENOENT', 'EACCES', 'EISDIR'].includes(String((error as { code?: string }).code)))
      fail(`${name} cannot be read.`);
    else throw error;
    return 1;
  }
}
