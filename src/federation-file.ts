import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { Environment } from './config.js';
import { MOST_PROVIDERS, readDeclared, type UndecidedProvider } from './domain/federation/federation.js';
import { Refusal } from './platform/errors.js';
import { readJsonFile } from './platform/shell.js';

/** Where the secrets that a file names are found. */
export interface SecretSources {
  readonly env: Environment;
  /** What a file holds; by its path. */
  readonly read: (path: string) => Promise<string>;
}

/** Secrets out of the environment that the command was given, and out of files. */
export const secretsOf = (env: Environment): SecretSources => ({ env, read: path => readFile(path, 'utf8') });

const sourceSchema = z.union(
  [
    z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is no name of a variable') }),
    z.strictObject({ file: z.string().min(1) }),
  ],
  'must say where the secret is: { "env": "NAME" } or { "file": "path" }; it never stands here itself',
);
type Source = z.output<typeof sourceSchema>;

const entrySchema = z.looseObject({
  id: z.string(),
  settings: z.record(z.string(), z.unknown()).optional(),
  secrets: z.record(z.string(), sourceSchema).optional(),
});
/* Metadata and certificates are files of their own wherever they come from. */
const inFile = z.strictObject({ file: z.string().min(1) });
const listSchema = z.strictObject({ providers: z.array(entrySchema).min(1).max(MOST_PROVIDERS) });
/* A file of one is that one. */
const fileSchema = z.preprocess(content => (isOne(content) ? { providers: [content] } : content), listSchema);
const isOne = (content: unknown) => typeof content === 'object' && content !== null && 'id' in content;

/** The providers of a file, each completed by its preset, with their secrets; or every problem of the file at once. */
export async function readProviders(
  file: string,
  sources: SecretSources,
): Promise<readonly UndecidedProvider[]> {
  const content = fileSchema.safeParse(await readJsonFile(file));
  if (!content.success) {
    throw problemsIn(
      file,
      content.error.issues.map(({ path, message }) => `${path.join('.') || 'file'}: ${message}`),
    );
  }
  const { providers } = content.data;
  const problems: string[] = [];
  const read: UndecidedProvider[] = [];
  for (const [at, { secrets, settings, ...entry }] of providers.entries()) {
    const where = `providers.${at} (${entry.id})`;
    if (providers.findIndex(each => each.id === entry.id) < at) problems.push(`${where}: is there already`);
    try {
      const values = secrets && (await valuesOf(secrets, file, sources));
      const whole = settings && (await filledIn(settings, file, sources));
      read.push(
        readDeclared({ ...entry, ...(whole && { settings: whole }), ...(values && { secrets: values }) }),
      );
    } catch (problem) {
      if (!(problem instanceof Refusal)) throw problem;
      problems.push(...problem.message.split('\n').map(line => `${where}: ${line}`));
    }
  }
  if (problems.length > 0) throw problemsIn(file, problems);
  return read;
}

const problemsIn = (file: string, lines: readonly string[]): Refusal =>
  new Refusal('invalid', 'invalid_providers', lines.map(line => `${file}: ${line}`).join('\n'));

async function filledIn(
  settings: Readonly<Record<string, unknown>>,
  file: string,
  { read }: SecretSources,
): Promise<Record<string, unknown>> {
  const whole: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(settings)) {
    const source = inFile.safeParse(value);
    whole[name] = source.success ? await contentOf(source.data.file, file, read, 'settings') : value;
  }
  return whole;
}

async function valuesOf(
  secrets: Readonly<Record<string, Source>>,
  file: string,
  sources: SecretSources,
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const [name, source] of Object.entries(secrets)) {
    const value = (await secretFrom(source, file, sources)).trim();
    if (value !== '') values[name] = value;
    else
      problems.push(
        `secrets.${name}: ${'env' in source ? `${source.env} is not set` : `${source.file} holds nothing`}`,
      );
  }
  if (problems.length > 0) throw new Refusal('invalid', 'no_secret', problems.join('\n'));
  return values;
}

async function secretFrom(source: Source, file: string, { env, read }: SecretSources): Promise<string> {
  if ('env' in source) return env[source.env] ?? '';
  return contentOf(source.file, file, read, 'secrets');
}

/* Beside the file that names it, unless it says otherwise. */
function contentOf(named: string, file: string, read: SecretSources['read'], where: string): Promise<string> {
  return read(resolve(file === '-' ? '.' : dirname(file), named)).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code ?? 'error';
    throw new Refusal('invalid', 'no_secret', `${where}: ${named} cannot be read (${why})`);
  });
}
