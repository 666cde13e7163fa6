import { fileURLToPath } from 'node:url';
import { createInstance, type FormatterModule, type i18n } from 'i18next';
import { directionOf, type InLanguage, inLanguage } from './in-language.js';
import { readLocales, type Sentences } from './locales.js';

/** Says a word of the locales in one language. */
export type Translate = (key: string, vars?: Readonly<Record<string, unknown>>) => string;

/** What a request says about the languages its person reads, most explicit first. */
export interface RequestedLanguages {
  readonly uiLocales?: string | undefined;
  readonly cookie?: string | undefined;
  readonly acceptLanguage?: string | undefined;
}

/** All that the product says, in every language it speaks. */
export interface Words {
  readonly languages: readonly string[];
  choose(requested: RequestedLanguages): string;
  translator(language: string): Translate;
  direction(language: string): 'ltr' | 'rtl';
  /** How that language writes values. */
  values(language: string): InLanguage;
  /** All that a template may say that names these keys; one that ends in a dot names all beneath. */
  spokenBy(language: string, keys: readonly string[]): readonly string[];
}

const LOCALES = fileURLToPath(new URL('../../../../locales/', import.meta.url));
const SOURCE_LANGUAGE = 'en';
const LONGEST_LIST = 500;

/** Reads every locale of a folder once; nothing is kept per request, whatever languages requests name. */
export function openWords(folder: string = LOCALES): Words {
  const sentences = readLocales(folder);
  // The source language first: lists of languages begin with it.
  const languages = [...sentences.keys()].sort(
    (a, b) => Number(b === SOURCE_LANGUAGE) - Number(a === SOURCE_LANGUAGE) || (a < b ? -1 : 1),
  );
  const values = new Map(languages.map(language => [language, inLanguage(language)]));
  const known = (language: string) => (values.has(language) ? language : SOURCE_LANGUAGE);
  const valuesOf = (language: string) => values.get(known(language)) ?? inLanguage(SOURCE_LANGUAGE);
  const engine = openEngine(sentences, valuesOf);
  const translators = new Map<string, Translate>();
  for (const language of languages) {
    const fixed = engine.getFixedT(language);
    translators.set(language, (key, vars) => String(vars === undefined ? fixed(key) : fixed(key, vars)));
  }
  return {
    languages,
    choose: requested => chooseLanguage(languages, requested),
    translator: language => translators.get(known(language)) ?? String,
    direction: directionOf,
    values: valuesOf,
    spokenBy: (language, keys) =>
      flat(sentences.get(known(language)) ?? {})
        .filter(([name]) => keys.some(key => isNamed(name, key)))
        .map(([, sentence]) => sentence),
  };
}

function flat(sentences: object, at = ''): readonly (readonly [name: string, sentence: string])[] {
  return Object.entries(sentences).flatMap(([key, value]) =>
    typeof value === 'string' ? [[at + key, value] as const] : flat(value, `${at}${key}.`),
  );
}

/* Plural forms are told apart by what follows an underscore. */
function isNamed(name: string, key: string): boolean {
  return name === key || name.startsWith(key.endsWith('.') ? key : `${key}_`);
}

function openEngine(
  sentences: ReadonlyMap<string, Sentences>,
  values: (language: string) => InLanguage,
): i18n {
  const formatter: FormatterModule = {
    type: 'formatter',
    init: () => {},
    add: () => {},
    addCached: () => {},
    format: (value, _format, language) => values(language ?? SOURCE_LANGUAGE).value(value),
  };
  const engine = createInstance().use(formatter);
  void engine.init({
    resources: Object.fromEntries(
      [...sentences].map(([language, translation]) => [language, { translation }]),
    ),
    supportedLngs: [...sentences.keys()],
    fallbackLng: SOURCE_LANGUAGE,
    lng: SOURCE_LANGUAGE,
    initAsync: false,
    nsSeparator: false,
    // Views escape; doing it here as well would show people "&amp;".
    interpolation: { escapeValue: false, alwaysFormat: true },
  });
  return engine;
}

function chooseLanguage(languages: readonly string[], requested: RequestedLanguages): string {
  const wanted = [
    ...(requested.uiLocales?.slice(0, LONGEST_LIST).split(' ') ?? []),
    ...(requested.cookie === undefined ? [] : [requested.cookie]),
    ...byPreference(requested.acceptLanguage?.slice(0, LONGEST_LIST) ?? ''),
  ];
  for (const tag of wanted) {
    const match = closest(languages, tag);
    if (match !== undefined) return match;
  }
  return SOURCE_LANGUAGE;
}

/** RFC 4647 §3.4 lookup: `de-AT` finds `de-AT`, else `de`. */
function closest(languages: readonly string[], tag: string): string | undefined {
  const parts = tag.toLowerCase().split('-');
  for (let length = parts.length; length > 0; length -= 1) {
    const candidate = parts.slice(0, length).join('-');
    const match = languages.find(language => language.toLowerCase() === candidate);
    if (match !== undefined) return match;
  }
  return undefined;
}

/** The tags of an Accept-Language header, best first (RFC 9110 §12.5.4). */
function byPreference(header: string): string[] {
  return header
    .split(',')
    .map(part => {
      const [tag = '', ...parameters] = part.split(';').map(piece => piece.trim());
      const quality = parameters.find(parameter => parameter.startsWith('q='));
      return { tag, quality: quality === undefined ? 1 : Number(quality.slice(2)) };
    })
    .filter(({ tag, quality }) => tag !== '' && quality > 0)
    .sort((a, b) => b.quality - a.quality)
    .map(({ tag }) => tag);
}
