import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { type CheerioAPI, load } from 'cheerio';
import { readLocales } from '../../../src/platform/web/locales.js';
import { openRenderer } from '../../../src/platform/web/render.js';
import { openWords } from '../../../src/platform/web/words.js';
import { mailSamples, pageSamples } from './page-samples.js';

const words = openWords();
const renderer = openRenderer(words);
const frame = { language: 'en', csrf: 'c5rf', issuerName: 'Keyhold', nonce: 'n0nce', here: '/here' };
const views = readdirSync('views', { recursive: true, encoding: 'utf8' }).filter(name =>
  name.endsWith('.ejs'),
);
const pages = Object.entries(pageSamples).flatMap(([template, samples]) =>
  Object.entries(samples).map(([name, model]): [string, string, object] => [template, name, model]),
);
const mails = Object.entries(mailSamples);
const ATTACK = `"'><img src=x onerror=alert(1)><script>alert(1)</script><%= 7*7 %>$t(frame.email)\r\nBcc: x@y.example`;

function everyString(value: unknown, replacement: string, but = /^$/): unknown {
  if (typeof value === 'string') return but.test(value) ? value : replacement;
  if (value instanceof Date || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(inner => everyString(inner, replacement, but));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, everyString(inner, replacement, but)]),
  );
}

/** Tags and the names of their attributes: what a value must never change. */
function shape(html: string): string[] {
  const $ = load(html);
  return $('*')
    .toArray()
    .map(element => `${$(element).prop('tagName')} ${Object.keys($(element).attr() ?? {}).join(' ')}`);
}

/** One attribute of every element that a selector finds. */
function attributes($: CheerioAPI, selector: string, name: string): string[] {
  return $(selector)
    .toArray()
    .map(element => $(element).attr(name) ?? '');
}

function filled(template: string, model: object, text: string): string {
  return renderer.page(template, {
    ...frame,
    csrf: text,
    nonce: text,
    issuerName: text,
    here: text,
    ...(everyString(model, text) as object),
  });
}

test('every template has a sample', () => {
  const templates = views
    .map(name => name.slice(0, -'.ejs'.length))
    .filter(name => !name.startsWith('frame/') && !name.startsWith('mail/'));
  expect(Object.keys(pageSamples).sort()).toEqual(templates.sort());
});

test('C28: unescaped output is for includes alone', () => {
  for (const name of views) {
    const source = readFileSync(`views/${name}`, 'utf8');
    const raw = source.match(/<%-.*?%>/gs) ?? [];
    expect([name, raw.filter(tag => !/^<%- include\('\/[a-z/-]+'(, \{[^<>]*\})?\) %>$/.test(tag))]).toEqual([
      name,
      [],
    ]);
  }
});

test('C28: no view carries a script, a style or a handler of its own', () => {
  for (const name of views) {
    const source = readFileSync(`views/${name}`, 'utf8');
    const inline = [/<script(?![^>]*\ssrc=)/, /\son[a-z]+=/, /\sstyle=/, /javascript:/, /https?:\/\//];
    /* What leaves this place brings its style along. */
    if (!/^(mail|export)\//.test(name)) inline.push(/<style/);
    expect([name, inline.filter(pattern => pattern.test(source))]).toEqual([name, []]);
  }
});

test('a form is opened by the partial that carries the token, or by the one for another site that carries none', () => {
  const openers = views.filter(name => readFileSync(`views/${name}`, 'utf8').includes('<form'));
  expect(openers).toEqual(['frame/foreign-form.ejs', 'frame/form.ejs']);
});

test.each(pages)('C28: %s (%s): no value becomes markup', (template, _name, model) => {
  const attacked = filled(template, model, ATTACK);
  expect(attacked).not.toContain('<img src=x');
  expect(attacked).not.toContain('<script>');
  expect(shape(attacked)).toEqual(shape(filled(template, model, 'harmless')));
  expect(attacked).not.toMatch(/\b49\b/);
});

test.each(pages)('C28: %s (%s): no value becomes an address that runs', (template, _name, model) => {
  for (const scheme of [
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'data:text/html,x',
    '//evil.example',
    '/\\x',
  ]) {
    const $ = load(filled(template, model, scheme));
    const followed = [...attributes($, 'a:not(.languages a)', 'href'), ...attributes($, 'img', 'src')];
    for (const address of followed) expect(address).toMatch(/^(\/([a-z]|$)|#|manifest)/);
  }
});

test.each(mails)('C28, C51: mail %s: no value becomes markup, a line or a header', (template, model) => {
  const attacked = renderer.mail(template, 'en', everyString(model, ATTACK) as object);
  const harmless = renderer.mail(template, 'en', everyString(model, 'harmless') as object);
  expect(attacked.subject).not.toMatch(/[\r\n]/);
  expect(attacked.text.split('\n').length).toBe(harmless.text.split('\n').length);
  expect(shape(attacked.html)).toEqual(shape(harmless.html));
});

test.each(mails)('mail %s says the same in both of its shapes, in every language', (template, model) => {
  for (const language of words.languages) {
    const mail = renderer.mail(template, language, model);
    const $ = load(mail.html);
    const said = `${$.text()} ${attributes($, 'a', 'href').join(' ')}`;
    for (const value of Object.values(model).filter(inner => typeof inner === 'string')) {
      expect(mail.text).toContain(value);
      expect(said).toContain(value);
    }
    expect($('html').attr('lang')).toBe(language);
    expect(mail.text).not.toMatch(/&(amp|lt|gt|#39|#34);/);
    expect(`${mail.subject} ${mail.text} ${mail.html}`).not.toMatch(MISSING);
  }
});

/* A word that is not there stands as its key. */
const groups = Object.keys(readLocales('locales').get('en') ?? {});
const MISSING = new RegExp(`(?<![\\w./-])(?:${groups.join('|')})\\.[a-z]`);

test.each(pages)(
  '%s (%s): named, in its language, one h1 and no heading before it',
  (template, _name, model) => {
    for (const language of words.languages) {
      const $ = load(renderer.page(template, { ...frame, language, ...model }));
      expect($('html').attr()).toMatchObject({ lang: language, dir: language === 'ar' ? 'rtl' : 'ltr' });
      expect($('h1')).toHaveLength(1);
      expect($('main').find('h1, h2').first().prop('tagName')).toBe('H1');
      expect($('title').text()).toMatch(/\S+ · Keyhold$/);
      for (const nonce of attributes($, 'script', 'nonce')) expect(nonce).toBe('n0nce');
      expectCompleteForms($);
      // WCAG 2.2 §2.5.3: whoever says what they see presses it.
      for (const named of $('button[aria-label], a[aria-label]').toArray()) {
        expect($(named).attr('aria-label')).toContain($(named).text().trim());
      }
      expect($('body').text()).not.toMatch(/undefined|\[object/);
      expect($.html()).not.toMatch(MISSING);
      const ids = attributes($, '[id]', 'id');
      expect(new Set(ids).size).toBe(ids.length);
    }
  },
);

function expectCompleteForms($: CheerioAPI): void {
  for (const form of $('form').toArray()) {
    // What only looks carries no token: it would stand in an address. What is posted elsewhere would give it away.
    const isOurs = $(form).attr('method') !== 'get' && $(form).attr('action')?.startsWith('/');
    const token = isOurs ? 'c5rf' : undefined;
    expect($(form).find('input[name=csrf]').attr('value')).toBe(token);
    expect($(form).find('button[type=submit]')).toHaveLength(1);
    for (const input of $(form).find('input:not([type=hidden], [hidden])').toArray()) {
      expect($(`label[for=${$(input).attr('id')}]`).text()).toMatch(/\S/);
    }
  }
}

/* In an Arabic page: `<bdi>` or a direction of its own around it, or the isolates that a sentence puts around a value. */
const COUNTRY = /^[A-Z]{2}$/;
const APART = 'bdi, [dir]:not(html), pre, code, output, option, .brand';

test.each(pages)(
  '%s (%s): what somebody wrote keeps its direction in an Arabic page',
  (template, _name, model) => {
    const mark = 'what-somebody-wrote';
    const frozen = { language: 'ar', csrf: 'c', nonce: 'n', issuerName: mark, here: '/here' };
    const $ = load(
      renderer.page(template, { ...frozen, ...(everyString(model, mark, COUNTRY) as object), ...frozen }),
    );
    const bare = $('body *')
      .contents()
      .toArray()
      .filter(node => node.type === 'text' && $(node).parent().closest(APART).length === 0)
      .map(node => $(node).text().trim())
      // A word chosen by a model is missing here, and stands as its key.
      .filter(text =>
        text
          .replace(/[a-z_.]+\.what-somebody-wrote\w*/g, '')
          .replace(/\u2066[^\u2069]*\u2069/g, '')
          .includes(mark),
      );
    expect(bare).toEqual([]);
  },
);

test('every page has a title of its own', () => {
  const titles = Object.entries(pageSamples).map(([template, samples]) =>
    load(renderer.page(template, { ...frame, ...Object.values(samples)[0] }))('title').text(),
  );
  // Signing in, signing up and recovery check an address on one and the same page.
  expect(new Set(titles).size).toBe(titles.length - 2);
});

test('a page has at most one primary button', () => {
  for (const [template, name, model] of pages) {
    const $ = load(renderer.page(template, { ...frame, ...model }));
    expect(`${template} ${name}: ${$('.primary-action').length}`).toMatch(/: [01]$/);
  }
});

test('no page is an end: each offers something to go on with', () => {
  const without = pages.filter(([template, , model]) => {
    const $ = load(renderer.page(template, { ...frame, ...model }));
    return $('.account-nav a, main a[href], main button').length === 0;
  });
  /* What is only read, from a link that stands on every page. */
  expect(without.map(([template, name]) => `${template} ${name}`)).toEqual(['terms usual']);
});

test('whatever is wrong is said where it is, and the focus goes there first', () => {
  const wrong = pages.flatMap(([template, name, model]) => {
    const $ = load(renderer.page(template, { ...frame, ...model }));
    const ids = [...attributes($, '[aria-describedby]', 'aria-describedby')].flatMap(list => list.split(' '));
    const silent = ids.filter(id => $(`[id="${id}"]`).text().trim() === '');
    const untied = attributes($, '[aria-invalid]', 'aria-describedby').filter(
      list => !list.split(' ').some(id => $(`[id="${id}"]`).is('.field-problem')),
    );
    const stray = $('.field-problem').length > 0 && $('[autofocus]').length !== 1 ? ['focus'] : [];
    const found = [...silent, ...untied, ...stray];
    return found.length > 0 ? [`${template} ${name}: ${found}`] : [];
  });
  expect(wrong).toEqual([]);
});

test('optional asks begin unticked', () => {
  const $ = load(renderer.page('consent', { ...frame, ...pageSamples.consent.usual }));
  expect($('input[type=checkbox]')).toHaveLength(4);
  expect($('input[checked]')).toHaveLength(0);
});

test('a problem is tied to its field', () => {
  const $ = load(
    renderer.page('sign-up/credential', { ...frame, ...pageSamples['sign-up/credential'].problem }),
  );
  const password = $('#login-password');
  expect(password.attr('aria-invalid')).toBe('true');
  for (const id of password.attr('aria-describedby')?.split(' ') ?? []) {
    expect($(`#${id}`).text()).toMatch(/\S/);
  }
  expect(attributes($, '.summary a', 'href')).toEqual(['#terms', '#login-password', '#login-password']);
  expect($('title').text()).toMatch(/^Problem:/);
});

test('a lone problem is said once, at its field, and read out', () => {
  const $ = load(renderer.page('sign-in/password', { ...frame, ...pageSamples['sign-in/password'].problem }));
  expect($('.summary')).toHaveLength(0);
  expect($('.field-problem[role=alert]').text()).toBe(words.translator('en')('problem.credentials_wrong'));
  expect($('#login-password').attr('autofocus')).toBeDefined();
});

test('language links lead back to the page', () => {
  const $ = load(renderer.page('terms', { ...frame, here: '/terms?from=a&b', version: '1' }));
  const links = ['de', 'en', 'es', 'fr', 'ar'].map(language => `/terms?from=a&b&ui_locales=${language}`);
  expect(attributes($, '.languages a', 'href')).toEqual(links);
});

test('a page with nowhere to come back to offers no languages', () => {
  expect(renderer.page('terms', { ...frame, here: undefined, version: '1' })).not.toContain('ui_locales');
});
