import { readdirSync, readFileSync } from 'node:fs';

/** Sentences by key; groups nest. */
export interface Sentences {
  [key: string]: string | Sentences;
}

/** The sentences of every language: `<folder>/<language>/<room>.json`, the rooms of a language laid into one another. */
export function readLocales(folder: string): ReadonlyMap<string, Sentences> {
  const languages = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory());
  return new Map(languages.map(({ name }) => [name, readLanguage(`${folder}/${name}`)]));
}

function readLanguage(folder: string): Sentences {
  const all: Sentences = {};
  const rooms = readdirSync(folder).filter(name => name.endsWith('.json'));
  for (const room of rooms.sort()) {
    lay(JSON.parse(readFileSync(`${folder}/${room}`, 'utf8')), all, `${folder}/${room}`);
  }
  const usage = USAGES[folder.slice(folder.lastIndexOf('/') + 1)];
  return usage === undefined ? all : everySentence(all, usage);
}

function everySentence(sentences: Sentences, change: (sentence: string) => string): Sentences {
  const changed = Object.entries(sentences).map(([key, value]) => [
    key,
    typeof value === 'string' ? change(value) : everySentence(value, change),
  ]);
  return Object.fromEntries(changed);
}

/** French spaces its signs, and a line must not break there: whoever writes the words types a plain space. */
function frenchSpaces(sentence: string): string {
  return sentence
    .replace(/ (?=[?!;])/g, '\u202f')
    .replace(/ (?=[:»])|(?<=«) /g, '\u00a0')
    .replace(/(?<=\p{L})'(?=\p{L})/gu, '’');
}

/** Two rooms may share a group, and never a sentence: which of the two was meant nobody could tell. */
function lay(more: Sentences, all: Sentences, where: string): void {
  for (const [key, value] of Object.entries(more)) {
    const there = all[key];
    if (there === undefined) all[key] = value;
    else if (typeof there === 'string' || typeof value === 'string')
      throw new Error(`${where}: "${key}" is said already`);
    else lay(value, there, where);
  }
}

const LATIN_RUN = /\{\{\w+\}\}|\+?[A-Za-z0-9](?:[\w@.:/+ -]*[A-Za-z0-9/])?/g;

/** "+20 100 123 4567" is read from the left in an Arabic sentence too; a single word or number needs no help. */
function latinRuns(sentence: string): string {
  return sentence.replace(LATIN_RUN, run => (/^(\w+$|\{)/.test(run) ? run : `\u2066${run}\u2069`));
}

/** What a language does to every sentence, so that whoever writes the words need not type what cannot be seen. */
const USAGES: Readonly<Record<string, (sentence: string) => string>> = { ar: latinRuns, fr: frenchSpaces };
