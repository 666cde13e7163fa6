import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from '@jest/globals';
import { readLocales } from '../../../src/platform/web/locales.js';
import { openWords } from '../../../src/platform/web/words.js';

const words = openWords();
const locales = readLocales('locales');
const PLURAL = /_(zero|one|two|few|many|other)$/;

function sentences(language: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (value: unknown, path: string): void => {
    if (typeof value === 'string') found.set(path, value);
    else
      for (const [key, inner] of Object.entries(value ?? {}))
        walk(inner, path === '' ? key : `${path}.${key}`);
  };
  walk(locales.get(language), '');
  return found;
}

function keys(language: string): string[] {
  return [...new Set([...sentences(language).keys()].map(key => key.replace(PLURAL, '')))].sort();
}

function variables(text: string): string[] {
  return [...new Set(text.match(/\{\{\w+\}\}/g))].sort();
}

test('English comes first and German is there', () => {
  expect(words.languages.slice(0, 2)).toEqual(['en', 'de']);
});

test('every language says everything, with the same variables and every plural it needs', () => {
  for (const language of words.languages) {
    expect(keys(language)).toEqual(keys('en'));
    const own = sentences(language);
    const plurals = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const [key, english] of sentences('en')) {
      const forms = PLURAL.test(key) ? plurals.map(form => key.replace(PLURAL, `_${form}`)) : [key];
      for (const form of forms) {
        expect(`${form}: ${variables(own.get(form) ?? '')}`).toBe(`${form}: ${variables(english)}`);
      }
    }
  }
});

function sources(folder: string, ending: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith(ending))
    .map(name => readFileSync(`${folder}/${name}`, 'utf8'))
    .join('\n');
}

test('views and code use every word there is and none that is missing', () => {
  const views = sources('views', '.ejs');
  const code = sources('src', '.ts');
  const known = keys('en');
  const dotted = (text: string, before = '') =>
    [...text.matchAll(new RegExp(`${before}'([a-z][a-z_]*(?:\\.[a-z0-9_]+)+)'`, 'g'))].map(
      match => match[1] ?? '',
    );
  const inViews = dotted(views).filter(name => !/\.(css|js|svg)$/.test(name));
  const inCode = dotted(code, '\\b(?:t|say)\\((?:ctx, )?');
  expect([...inViews, ...inCode].filter(key => !known.includes(key))).toEqual([]);
  // A word that a model chooses is one that a type names.
  const prefixes = [...views.matchAll(/page\.t\('([a-z_.]+[._])' \+/g)].map(match => match[1] ?? '');
  const chosen = known.filter(key =>
    prefixes
      .filter(start => key.startsWith(start))
      .some(start =>
        code.includes(`'${key.slice(start.length).replace(/_(next|title|more|subject|what)$/, '')}'`),
      ),
  );
  const used = new Set([...inViews, ...dotted(code), ...chosen, 'language.name']);
  expect(known.filter(key => !used.has(key))).toEqual([]);
});

test('two rooms of a language may share a group, and never a sentence', () => {
  const folder = mkdtempSync(`${tmpdir()}/locales-`);
  mkdirSync(`${folder}/en`);
  writeFileSync(`${folder}/en/a.json`, '{"mail":{"a":"A"}}');
  writeFileSync(`${folder}/en/b.json`, '{"mail":{"b":"B"}}');
  expect(readLocales(folder).get('en')).toEqual({ mail: { a: 'A', b: 'B' } });
  writeFileSync(`${folder}/en/c.json`, '{"mail":{"a":"C"}}');
  expect(() => readLocales(folder)).toThrow('c.json: "a" is said already');
});

test.each([
  [{}, 'en'],
  [{ uiLocales: 'de' }, 'de'],
  [{ uiLocales: 'fr-CA de-AT en' }, 'de'],
  [{ uiLocales: 'xx', cookie: 'de', acceptLanguage: 'en' }, 'de'],
  [{ uiLocales: 'en', cookie: 'de' }, 'en'],
  [{ acceptLanguage: 'fr, en;q=0.4, de-CH;q=0.9' }, 'de'],
  [{ acceptLanguage: 'de;q=0, en' }, 'en'],
  [{ acceptLanguage: 'de;q=x, *' }, 'en'],
  [{ uiLocales: '__proto__ constructor ../../etc/passwd' }, 'en'],
  [{ uiLocales: `${'x'.repeat(100_000)} de` }, 'en'],
])('%j is answered in %s', (requested, language) => {
  expect(words.choose(requested)).toBe(language);
});

test('C52: ten thousand languages that nobody speaks leave nothing behind', () => {
  const english = words.translator('en');
  for (let at = 0; at < 10_000; at += 1) {
    const tag = `x${at}-y${at}`;
    expect(words.choose({ uiLocales: tag })).toBe('en');
    expect(words.translator(tag)).toBe(english);
  }
});

test('a value is put in as it is: it cannot call for other words', () => {
  const t = words.translator('en');
  const app = '$t(frame.email) {{issuer}} <b>&';
  expect(t('consent.title', { app })).toBe(`${app} asks for access`);
});

test('German counts in German', () => {
  const t = words.translator('de');
  expect(t('frame.wait', { count: 1 })).toBe('Bitte warten Sie 1 Sekunde.');
  expect(t('frame.wait', { count: 30 })).toBe('Bitte warten Sie 30 Sekunden.');
});
