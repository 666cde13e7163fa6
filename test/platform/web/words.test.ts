import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { openWords } from '../../../src/platform/web/words.js';

const words = openWords();
const PLURAL = /_(zero|one|two|few|many|other)$/;

function sentences(language: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (value: unknown, path: string): void => {
    if (typeof value === 'string') found.set(path, value);
    else
      for (const [key, inner] of Object.entries(value ?? {}))
        walk(inner, path === '' ? key : `${path}.${key}`);
  };
  walk(JSON.parse(readFileSync(`locales/${language}.json`, 'utf8')), '');
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

test('views use every word there is and none that is missing', () => {
  const views = readdirSync('views', { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ejs'))
    .map(name => readFileSync(`views/${name}`, 'utf8'))
    .join('\n');
  const models = readFileSync('src/journeys/page-models.ts', 'utf8');
  const dotted = [...views.matchAll(/'([a-z][a-z_]*(?:\.[a-z_]+)+)'/g)].map(match => match[1] ?? '');
  const literal = new Set(dotted.filter(name => !/\.(css|js|svg)$/.test(name)));
  const choices = [...views.matchAll(/page\.t\('([a-z_]+\.)' \+ page\.\w+|page\.t\('([a-z_]+\.)' \+ \w+\./g)];
  const prefixes = [...new Set(choices.map(match => match[1] ?? match[2] ?? ''))].sort();
  expect(prefixes).toEqual(['ask.', 'error.', 'link.', 'problem.']);
  // A word chosen by a model is one that the model's type names.
  const chosen = keys('en').filter(key => {
    const prefix = prefixes.find(start => key.startsWith(start));
    const word = key.slice(prefix?.length ?? 0).replace(/_(next|title)$/, '');
    return prefix !== undefined && models.includes(`'${word}'`);
  });
  const used = new Set([...literal, ...chosen, 'language.name']);
  const known = keys('en');
  expect(known.filter(key => !used.has(key))).toEqual([]);
  expect([...literal].filter(key => !known.includes(key))).toEqual([]);
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
