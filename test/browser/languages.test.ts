import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openRenderer } from '../../src/platform/web/render.js';
import { openWords } from '../../src/platform/web/words.js';
import { mailSamples, pageSamples } from '../platform/web/page-samples.js';
import { type BrowserPerson, openBrowser, type TestBrowser } from '../support/browser.js';

// Every page there is, with every sample of it, as it stands in a real browser.

const words = openWords();
const renderer = openRenderer(words);
const ORIGIN = 'http://pages.test';
const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css',
  js: 'text/javascript',
  svg: 'image/svg+xml',
};
const PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8H0z"/></svg>';
const samples = Object.entries(pageSamples).flatMap(([template, models]) =>
  Object.entries(models).map(([name, model]): [string, object] => [`${template}/${name}`, model]),
);
const places = [
  ...samples.map(([name]) => ['page', name] as const),
  ...Object.keys(mailSamples).map(name => ['mail', name] as const),
];

let browser: TestBrowser;

beforeAll(async () => {
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
});

function answer(url: URL): { readonly contentType: string; readonly body: string } {
  const [, place = '', language = '', ...rest] = url.pathname.split('/');
  if (place === 'assets') {
    /* A page that goes on by itself is looked at before it does. */
    const left = language === 'webauthn.js' || language === 'onward.js';
    const body = left ? '' : readFileSync(`views/assets/${language}`, 'utf8');
    return { contentType: TYPES[language.split('.').at(-1) ?? ''] ?? '', body };
  }
  const contentType = 'text/html; charset=utf-8';
  if (place === 'sheet') return { contentType, body: '<!doctype html><title>Sheet</title>' };
  const name = decodeURIComponent(rest.join('/'));
  if (place === 'mail') {
    const model = mailSamples[name as keyof typeof mailSamples];
    return { contentType, body: renderer.mail(name, language, model).html };
  }
  const model = samples.find(([sample]) => sample === name)?.[1];
  if (place !== 'page' || model === undefined) return { contentType: 'image/svg+xml', body: PICTURE };
  const frame = { language, csrf: 'c', issuerName: 'Keyhold', nonce: 'n', here: '/here' };
  const template = name.slice(0, name.lastIndexOf('/'));
  return { contentType, body: renderer.page(template, { ...frame, ...model }) };
}

async function reader(options: { readonly width: number }): Promise<BrowserPerson> {
  const person = await browser.newPerson({ ...options, passkeys: false });
  await person.context.route(`${ORIGIN}/**`, route => route.fulfill(answer(new URL(route.request().url()))));
  return person;
}

const open = ({ page }: BrowserPerson, place: string, language: string, name: string) =>
  page.goto(`${ORIGIN}/${place}/${language}/${name}`);

/** How far the page can be pushed aside, which is nothing on a good page. */
const OVERHANG = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';

/** Words that lie on other words. */
const COVERED = `(() => {
  const words = 'h1, h2, h3, p, li, dt, dd, label, legend, summary, button, a.button';
  const said = [...document.querySelectorAll('main :is(' + words + ')')]
    .filter(element => element.checkVisibility() && !element.querySelector(words))
    .map(element => {
      const range = document.createRange();
      range.selectNodeContents(element);
      return { text: element.textContent.trim().slice(0, 30), box: range.getBoundingClientRect() };
    })
    .filter(({ text, box }) => text !== '' && box.width > 0);
  return said.flatMap((one, at) =>
    said.slice(at + 1).filter(({ box }) =>
      Math.min(one.box.bottom, box.bottom) - Math.max(one.box.top, box.top) > 4 &&
      Math.min(one.box.right, box.right) - Math.max(one.box.left, box.left) > 4,
    ).map(other => one.text + ' / ' + other.text),
  );
})()`;

/** What a script says in each of these pages, shown side by side so wide; one after the other takes three times as long. */
async function inEach(
  { page }: BrowserPerson,
  width: number,
  language: string,
  shown: readonly (readonly [place: string, name: string])[],
  script: string,
): Promise<readonly (readonly [page: string, said: unknown])[]> {
  await page.goto(`${ORIGIN}/sheet`);
  const all: (readonly [string, unknown])[] = [];
  for (let from = 0; from < shown.length; from += AT_ONCE) {
    const batch = shown.slice(from, from + AT_ONCE);
    const bodies = batch.map(
      ([place, name]) => answer(new URL(`${ORIGIN}/${place}/${language}/${name}`)).body,
    );
    const said = (await page.evaluate(
      `(${SHOW_ALL})(${JSON.stringify(bodies)}, ${width}, ${JSON.stringify(script)})`,
    )) as readonly unknown[];
    all.push(...batch.map(([place, name], at) => [`${place} ${name}`, said[at]] as const));
  }
  return all;
}

const AT_ONCE = 24;
const SHOW_ALL = `(bodies, width, script) => Promise.all(bodies.map(body => new Promise(resolve => {
  const frame = document.createElement('iframe');
  frame.width = width;
  frame.height = 800;
  frame.style.border = '0';
  frame.srcdoc = body;
  frame.onload = () => {
    const said = frame.contentWindow.eval(script);
    frame.remove();
    resolve(said);
  };
  document.body.append(frame);
})))`;

test('what is shown side by side is as wide as it says, and has its style', async () => {
  const person = await reader({ width: 1000 });
  const script = `[innerWidth, getComputedStyle(document.body).fontFamily, ${OVERHANG}]`;
  const wide = `document.body.append(Object.assign(document.createElement('p'), { style: 'inline-size: 400px', textContent: 'x' })), ${OVERHANG}`;
  const [, usual] = (await inEach(person, 320, 'en', [['page', 'terms/usual']], script))[0] ?? [];
  expect(usual).toEqual([320, expect.stringContaining('system-ui'), 0]);
  expect((await inEach(person, 320, 'en', [['page', 'terms/usual']], wide))[0]?.[1]).toBeGreaterThan(0);
  await person.close();
});

test.each([...words.languages.map(language => [320, language] as const), [390, 'ar'] as const])(
  'no page is wider than a screen of %i pixels, and no words lie on others, in %s',
  async (width, language) => {
    const person = await reader({ width: 1000 });
    const said = await inEach(person, width, language, places, `[${OVERHANG}, ...${COVERED}]`);
    const wrong = said.filter(([, found]) => (found as readonly unknown[]).some(each => each !== 0));
    expect([said.length, wrong]).toEqual([places.length, []]);
    await person.close();
  },
  120_000,
);

/* WCAG 2.2 §1.4.12, and letters of twice their size (§1.4.4) on a screen of 640 pixels. */
const SPACED = `const sheet = new CSSStyleSheet(); sheet.replaceSync('* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important } p { margin-block-end: 2em !important }'); document.adoptedStyleSheets = [sheet];`;
const LARGE = `const sheet = new CSSStyleSheet(); sheet.replaceSync('html { font-size: 200% !important }'); document.adoptedStyleSheets = [sheet];`;
/** Words that are cut off: whoever hides what does not fit says so to nobody. */
const CUT = `[...document.querySelectorAll('body *')].filter(element => element.clientWidth > 0 && getComputedStyle(element).overflow === 'hidden' && getComputedStyle(element).textOverflow !== 'ellipsis' && (element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1)).map(element => element.className)`;

test.each([
  ['spaced apart', 320, SPACED],
  ['of twice their size', 640, LARGE],
])(
  'letters %s fit into every page',
  async (_how, width, change) => {
    const person = await reader({ width: 1000 });
    const script = `(() => { ${change} return [${OVERHANG}, ...${CUT}]; })()`;
    const pages = samples.map(([name]) => ['page', name] as const);
    for (const language of ['ar', 'de']) {
      const said = await inEach(person, width, language, pages, script);
      expect(said.length).toBe(pages.length);
      expect(said.filter(([, found]) => (found as readonly unknown[]).some(each => each !== 0))).toEqual([]);
    }
    await person.close();
  },
  120_000,
);

/* A window that keeps axe from page to page: reading it anew for each takes as long as what it does. */
const SHOW = `body => new Promise(resolve => {
  document.open();
  addEventListener('load', () => resolve());
  document.write(body);
  document.close();
})`;

const CONTRAST = `axe.run(document, { runOnly: ['color-contrast'], resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(({ nodes }) => nodes.map(({ html }) => html)))`;

test.each([
  ['of the account', true],
  ['besides the account', false],
])(
  'an Arabic page %s has no hindrance that axe knows of, in light colours and in dark',
  async (_which, account) => {
    const person = await reader({ width: 390 });
    const found: string[] = [];
    await person.page.goto(`${ORIGIN}/sheet`);
    for (const [name] of samples.filter(([sample]) => sample.startsWith('account/') === account)) {
      await person.page.emulateMedia({ colorScheme: 'light' });
      const { body } = answer(new URL(`${ORIGIN}/page/ar/${name}`));
      await person.page.evaluate(`(${SHOW})(${JSON.stringify(body)})`);
      const problems = await person.accessibilityProblems();
      await person.page.emulateMedia({ colorScheme: 'dark' });
      const faint = (await person.page.evaluate(CONTRAST)) as readonly string[];
      found.push(
        ...[...problems, ...faint.map(html => `dark: ${html}`)].map(problem => `${name}: ${problem}`),
      );
    }
    expect(found).toEqual([]);
    await person.close();
  },
  180_000,
);

test('an Arabic page begins at its right: brand, words, arrows and what follows one another', async () => {
  const person = await reader({ width: 390 });
  const box = async (selector: string, at = 0) => {
    const found = await person.page.locator(selector).nth(at).boundingBox();
    if (!found) throw new Error(`there is no ${selector}`);
    return { start: 390 - found.x - found.width, end: found.x, top: found.y };
  };
  await open(person, 'page', 'ar', 'choose-account/usual');
  expect((await box('.brand')).start).toBeLessThan(40);
  expect((await box('.person .person-mark')).start).toBeLessThan((await box('.person .person-words')).start);
  expect((await box('.person .onward')).end).toBeLessThan((await box('.person .person-words')).end);
  // "In front of" is to the left: the arrow points there.
  const turned = await person.page
    .locator('.onward')
    .first()
    .evaluate(arrow => getComputedStyle(arrow).transform);
  expect(turned).toBe('matrix(-1, 0, 0, 1, 0, 0)');
  await open(person, 'page', 'ar', 'account/overview/usual');
  expect((await box('.place-here')).start).toBeLessThan((await box('.places .hint')).start);
  await person.page.locator('header summary').click();
  expect((await box('.account-sheet')).end).toBeGreaterThanOrEqual(0);

  await open(person, 'page', 'ar', 'sign-in/identifier/usual');
  /* A browser sees to autofocus after it has told that the page is loaded. */
  await person.page.locator('[name=email]:focus').waitFor();
  const order: string[] = [];
  for (let at = 0; at < 6; at += 1) {
    order.push(
      String(
        await person.page.evaluate(
          'document.activeElement.textContent.trim() || document.activeElement.name',
        ),
      ),
    );
    await person.page.keyboard.press('Tab');
  }
  expect(order).toEqual(['email', 'متابعة', 'إنشاء حساب', 'Deutsch', 'English', 'Español']);
  await person.close();
});

/** What is wrong with where the keyboard stands: nothing to see of it (§2.4.7), or too small to be hit (§2.5.8). */
const STOP = `(() => {
  const at = document.activeElement;
  if (!at || at === document.body) return 'end';
  const { outlineStyle, outlineWidth, display } = getComputedStyle(at);
  const { width, height } = at.getBoundingClientRect();
  const seen = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
  const large = display === 'inline' || (width >= 24 && height >= 24) || ['checkbox', 'radio'].includes(at.type);
  return seen && large ? '' : at.outerHTML.slice(0, 120) + (seen ? ' is small' : ' does not show that it is meant');
})()`;

test('wherever the keyboard stops, it is seen, and large enough for a finger', async () => {
  const person = await reader({ width: 390 });
  const wrong = new Set<string>();
  const first = Object.entries(pageSamples).map(
    ([template, models]) => `${template}/${Object.keys(models)[0]}`,
  );
  for (const name of first) {
    await open(person, 'page', 'fr', name);
    await person.page.evaluate(
      'document.activeElement.blur(), document.documentElement.classList.add("passkeys")',
    );
    for (let stop = 0; stop < 60; stop += 1) {
      await person.page.keyboard.press('Tab');
      const found = String(await person.page.evaluate(STOP));
      if (found === 'end') break;
      if (found !== '') wrong.add(`${name}: ${found}`);
    }
  }
  expect([...wrong]).toEqual([]);
  await person.close();
}, 120_000);

test('the first stop of the keyboard leads past the navigation of the account', async () => {
  const { page, close } = await reader({ width: 390 });
  await page.goto(`${ORIGIN}/page/en/account/overview/usual`);
  await page.keyboard.press('Tab');
  const link = page.getByRole('link', { name: 'Skip to the content' });
  expect(await link.evaluate(element => getComputedStyle(element).clipPath)).toBe('none');
  await page.keyboard.press('Enter');
  expect(await page.evaluate('document.activeElement.id')).toBe('content');
  await close();
});

test('codes and addresses keep their order in an Arabic page and mail', async () => {
  const person = await reader({ width: 390 });
  const leftOf = (text: string) =>
    person.page.evaluate(`(() => {
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const at = walker.currentNode.data.indexOf(${JSON.stringify(text)});
        if (at < 0) continue;
        const range = document.createRange();
        range.setStart(walker.currentNode, at);
        range.setEnd(walker.currentNode, at + ${text.length});
        return range.getBoundingClientRect().left;
      }
    })()`) as Promise<number>;
  await open(person, 'mail', 'ar', 'sign-in-code');
  expect(await leftOf('4821')).toBeLessThan(await leftOf('9037'));
  await open(person, 'page', 'ar', 'terms/usual');
  expect(await leftOf('2026')).toBeLessThan(await leftOf('-01'));
  await open(person, 'page', 'ar', 'account/contact-add/phone');
  expect(await leftOf('+20')).toBeLessThan(await leftOf('123 4567'));
  await open(person, 'page', 'ar', 'link/other-browser/usual');
  expect(await leftOf('4821')).toBeLessThan(await leftOf('9037'));
  expect(await leftOf('203')).toBeLessThan(await leftOf('.113.7'));
  await person.close();
});
