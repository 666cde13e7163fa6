import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { Refusal } from './errors.js';
import type { Db } from './storage/db.js';

/** What an operator's command works with, in the shell it runs in. */
export interface Shell {
  readonly db: Db;
  /** Writes to standard output: the answer and nothing else. */
  readonly print: (text: string) => void;
  /** Writes a line to standard error. */
  readonly fail: (text: string) => void;
}

/** A command line that makes no sense. */
export class Usage extends Error {}

/** Runs one verb, whose answer is printed as JSON, and gives the exit code: 0 done, 1 refused, 2 not understood. */
export async function answering(
  { print, fail }: Pick<Shell, 'print' | 'fail'>,
  usage: string,
  run: () => Promise<unknown>,
): Promise<number> {
  try {
    const answer = await run();
    if (answer !== undefined) print(`${JSON.stringify(answer, null, 2)}\n`);
    return 0;
  } catch (problem) {
    if (isUsage(problem)) {
      fail(problem.message === '' ? usage : `${problem.message}\n${usage}`);
      return 2;
    }
    if (!(problem instanceof Refusal)) throw problem;
    for (const line of problem.message.split('\n')) fail(line);
    return 1;
  }
}

function isUsage(problem: unknown): problem is Error {
  const { code } = problem as { readonly code?: unknown };
  return problem instanceof Usage || (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS'));
}

const named = (file: string) => (file === '-' ? 'standard input' : file);

/** What a file says; standard input where it is `-`. */
export function readWords(file: string): Promise<string> {
  const read = file === '-' ? text(process.stdin) : readFile(file, 'utf8');
  return read.catch((cause: Error) => {
    throw new Refusal('invalid', 'unreadable', `${named(file)} cannot be read: ${cause.message}`, { cause });
  });
}

/** The JSON that a file holds; standard input where it is `-`. */
export async function readJsonFile(file: string): Promise<unknown> {
  const content = await readWords(file);
  try {
    return JSON.parse(content.replace(/^\ufeff/, ''));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : '';
    throw new Refusal('invalid', 'not_json', `${named(file)} is not JSON: ${why}`, { cause });
  }
}
