import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One answer of a vendor as its public documentation shows it. */
export interface Sample {
  /** The page that it was taken from, or made after. */
  readonly source: string;
  /** What is not word for word the page's. */
  readonly made?: string;
  readonly id_token?: Readonly<Record<string, unknown>>;
  readonly userinfo?: Readonly<Record<string, unknown>>;
  readonly profile?: Readonly<Record<string, unknown>>;
  readonly emails?: readonly Readonly<Record<string, unknown>>[];
  readonly token?: Readonly<Record<string, unknown>>;
  readonly user?: Readonly<Record<string, unknown>>;
}

/* Seen from `dist/test/domain/federation`, where only what is compiled stands. */
const FOLDER = fileURLToPath(new URL('../../../../test/domain/federation/samples/', import.meta.url));

/** Reads a sample by its name. */
export function sample(name: string): Sample {
  return JSON.parse(readFileSync(`${FOLDER}${name}.json`, 'utf8'));
}
