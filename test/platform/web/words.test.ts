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

test('English comes first, and the others as in a dictionary', () => {
  const [first, ...others] = words.languages;
  expect([first, ...others]).toEqual(['en', ...[...others].sort()]);
  expect(others).toEqual(expect.arrayContaining(['ar', 'de', 'es', 'fr']));
});

/** Whether a plural form is for one number only, which it may then say in words ("two minutes" is one word in Arabic). */
function isForOneNumber(rules: Intl.PluralRules, form: string): boolean {
  const counts = Array.from({ length: 1_001 }, (_, count) => count);
  return counts.filter(count => rules.select(count) === form).length === 1;
}

test.each(words.languages)(
  '%s says everything, in exactly the plurals it needs, with the same values',
  language => {
    const rules = new Intl.PluralRules(language);
    const own = sentences(language);
    const due = new Set<string>();
    const wrong: string[] = [];
    for (const [key, english] of sentences('en')) {
      const forms = PLURAL.test(key) ? rules.resolvedOptions().pluralCategories : [''];
      for (const form of forms) {
        const name = form === '' ? key : key.replace(PLURAL, `_${form}`);
        due.add(name);
        const said = own.get(name);
        const without = isForOneNumber(rules, form) && !said?.includes('{{count}}') ? '{{count}}' : '';
        const wanted = variables(english).filter(variable => variable !== without);
        if (said === undefined || said.trim() === '') wrong.push(`${name} is missing`);
        else if (`${variables(said)}` !== `${wanted}`)
          wrong.push(`${name} has ${variables(said)} for ${wanted}`);
      }
    }
    expect(wrong).toEqual([]);
    expect([...own.keys()].filter(key => !due.has(key))).toEqual([]);
  },
);

/** A sentence that only puts values together. */
const isShapeOnly = (said: string) => !/\p{L}/u.test(said.replace(/\{\{\w+\}\}/g, ''));

/** What is the same word in English and in another language. */
const SAME = [
  'Asia',
  'Australia',
  'Europe',
  'App',
  'Apps',
  'Browser',
  'Client',
  'Code',
  'Codes',
  'Description',
  'Error',
  'No',
  'Name',
  'Version {{version}}',
  'Website',
  'Passkeys',
  'Messages',
  '{{count}} minute',
  '{{count}} minutes',
];

test.each(words.languages.slice(1))('%s says nothing in English', language => {
  const own = sentences(language);
  const english = [...sentences('en')].filter(
    ([key, said]) => own.get(key) === said && !SAME.includes(said) && !isShapeOnly(said),
  );
  expect(english).toEqual([]);
});

test('Arabic is in Arabic letters, Spanish opens what it asks, French spaces its signs', () => {
  const wrong = (language: string, sign: RegExp) =>
    [...sentences(language)].filter(([, said]) => sign.test(said) && !isShapeOnly(said));
  expect(wrong('ar', /^\P{Script=Arabic}*$/u)).toEqual([]);
  expect(wrong('es', /^[^¿]*\?|^[^¡]*!/)).toEqual([]);
  expect(wrong('fr', /[^\u202f][?!;]|[^\u00a0/]:(?!\/\/)|«[^\u00a0]|[^\u00a0]»|'/)).toEqual([]);
  expect(words.translator('fr')('identifier.new_here')).toBe('Première visite\u202f?');
  expect(words.translator('ar')('problem.phone_invalid')).toContain('\u2066+20 100 123 4567\u2069');
  expect(words.translator('ar')('problem.code_malformed')).not.toContain('\u2066');
});

test('every language says the sentences of a room in the file of that room', () => {
  for (const language of words.languages) {
    expect(readdirSync(`locales/${language}`).sort()).toEqual(readdirSync('locales/en').sort());
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
  const begun = [
    ...views.matchAll(/page\.t\('([a-z_.]+[._])' \+/g),
    ...code.matchAll(/\bsay\(`([a-z_.]+\.)\$\{/g),
  ];
  const prefixes = begun.map(match => match[1] ?? '');
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
  [{ uiLocales: 'pt-BR de-AT en' }, 'de'],
  [{ uiLocales: 'fr-CA' }, 'fr'],
  [{ acceptLanguage: 'es-MX,es;q=0.9,en;q=0.8' }, 'es'],
  [{ acceptLanguage: 'ar-EG' }, 'ar'],
  [{ acceptLanguage: 'zh-Hant-TW, fr-CH;q=0.5, en;q=0.3' }, 'fr'],
  [{ uiLocales: 'xx', cookie: 'de', acceptLanguage: 'en' }, 'de'],
  [{ uiLocales: 'en', cookie: 'de' }, 'en'],
  [{ acceptLanguage: 'pt, en;q=0.4, de-CH;q=0.9' }, 'de'],
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

test('a value of the other direction stands apart in a sentence, and cannot turn what follows', () => {
  const values = { code: '4821 9037', issuer: 'Keyhold' };
  const arabic = words.translator('ar')('mail.sign_in_code.subject', values);
  expect(arabic).toBe('\u20664821 9037\u2069 هو رمزك لدى \u2066Keyhold\u2069');
  const english = words.translator('en');
  expect(english('consent.title', { app: 'متجر' })).toBe('\u2068متجر\u2069 asks for access');
  for (const app of ['Shop\u202e\u2066', 'Shop\u2069\u2068', '\u2067Shop'])
    expect(english('consent.title', { app })).toBe('Shop asks for access');
  const both = words.values('ar').list(['a@x.example', 'b@x.example']);
  expect(words.translator('ar')('consent.title', { app: both })).toBe(
    'يطلب \u2068\u2066a@x.example\u2069 و\u2066b@x.example\u2069\u2069 الوصول',
  );
});

test('numbers, moments and lists are said as the language writes them', () => {
  const at = new Date('2026-03-09T23:04:00Z');
  const said = (language: string) => {
    const { value, time, date, list } = words.values(language);
    return [time(at), date(at, 'Europe/Berlin'), value(12_345), list(['1', '2', '3'])];
  };
  expect(said('en')).toEqual(['March 9, 2026 at 11:04 PM UTC', 'March 10, 2026', '12,345', '1, 2, and 3']);
  expect(said('de')).toEqual(['9. März 2026 um 23:04 UTC', '10. März 2026', '12.345', '1, 2 und 3']);
  expect(said('fr')).toEqual(['9 mars 2026 à 23:04 UTC', '10 mars 2026', '12\u202f345', '1, 2 et 3']);
  expect(said('es')).toEqual([
    '9 de marzo de 2026 a las 23:04 UTC',
    '10 de marzo de 2026',
    '12.345',
    '1, 2 y 3',
  ]);
  expect(said('ar')[1]).toBe('10 مارس 2026');
  expect(words.values('en').time(at, 'Mars/Olympus')).toContain('UTC');
});

test('Arabic has six ways to count', () => {
  const t = words.translator('ar');
  const said = [0, 1, 2, 3, 11, 100].map(count => t('frame.wait_minutes', { count }));
  expect(new Set(said).size).toBe(6);
  expect(said[2]).toContain('دقيقتين');
  expect(said[3]).toContain('3 دقائق');
});

test('German counts in German', () => {
  const t = words.translator('de');
  expect(t('frame.wait', { count: 1 })).toBe('Bitte warten Sie 1 Sekunde.');
  expect(t('frame.wait', { count: 30 })).toBe('Bitte warten Sie 30 Sekunden.');
});
