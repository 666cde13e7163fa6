import { type CheerioAPI, load } from 'cheerio';
import type { Element } from 'domhandler';

/** A page as somebody reads it whose browser runs no scripts. */
export interface ReadPage {
  /** Where the browser ended, after all redirects. */
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  readonly html: string;
  /** The text of the first `h1`, or ''. */
  readonly heading: string;
  /** Everything visible, white space collapsed. */
  readonly text: string;
  /** The text of each element with role `alert`. */
  readonly alerts: readonly string[];
  /** The names of the buttons that can be pressed, in order. */
  readonly buttons: readonly string[];
  /** The labels of the fields that can be filled, in order. */
  readonly labels: readonly string[];
}

/** A page together with its document, for those who act on it. */
export interface OpenPage extends ReadPage {
  readonly document: CheerioAPI;
}

const FIELDS =
  'input:not([type=hidden],[type=submit],[type=image],[type=button],[type=reset]),select,textarea';
const BUTTONS = 'button,input[type=submit],input[type=image],input[type=button]';

/** Reads an answer. */
export function readPage(url: URL, status: number, headers: Headers, html: string): OpenPage {
  const document = load(html, { scriptingEnabled: false });
  const all = (selector: string) => document(selector).toArray() as Element[];
  const visible = document('body').clone();
  visible.find('script,style,template,[hidden]').remove();
  return {
    url,
    status,
    headers,
    html,
    document,
    heading: tidy(document('h1').first().text()),
    text: tidy(visible.text()),
    alerts: all('[role=alert]').map(alert => tidy(document(alert).text())),
    buttons: all(BUTTONS)
      .filter(button => isUsable(document, button))
      .map(button => buttonName(document, button)),
    labels: all(FIELDS)
      .filter(field => isUsable(document, field))
      .map(field => fieldLabel(document, field)),
  };
}

/** The field with this label: exactly this one, else the only one that contains it. */
export function findField(page: OpenPage, label: string): Element {
  return findOne(page, FIELDS, label, fieldLabel, 'field', true);
}

/** The button with exactly this name. */
export function findButton(page: OpenPage, name: string): Element {
  return findOne(page, BUTTONS, name, buttonName, 'button', false);
}

/** The link with exactly this name. */
export function findLink(page: OpenPage, name: string): Element {
  return findOne(page, 'a[href]', name, buttonName, 'link', false);
}

function findOne(
  page: OpenPage,
  selector: string,
  wanted: string,
  nameOf: (document: CheerioAPI, element: Element) => string,
  what: string,
  partly: boolean,
): Element {
  const candidates = (page.document(selector).toArray() as Element[])
    .filter(element => isUsable(page.document, element))
    .map(element => ({ element, name: nameOf(page.document, element) }));
  const exact = candidates.filter(({ name }) => name === wanted);
  const found = exact.length > 0 || !partly ? exact : candidates.filter(({ name }) => name.includes(wanted));
  const [first, second] = found;
  if (first && !second) return first.element;
  const names = candidates.map(({ name }) => `"${name}"`).join(', ') || 'none';
  const why = first ? `more than one ${what} is called` : `no ${what} is called`;
  throw new Error(
    `${why} "${wanted}" on ${page.url.href} (${page.status}, "${page.heading}"); ${what}s: ${names}\n${page.text}`,
  );
}

function isUsable(document: CheerioAPI, element: Element): boolean {
  const node = document(element);
  if (node.is('[disabled]') || node.closest('fieldset[disabled]').length > 0) return false;
  return node.closest('[hidden],template').length === 0;
}

function fieldLabel(document: CheerioAPI, field: Element): string {
  const node = document(field);
  const named = ariaName(document, field);
  if (named) return named;
  const id = node.attr('id');
  const label = id ? document('label').filter((_, each) => document(each).attr('for') === id) : document();
  return tidy((label.length > 0 ? label : node.closest('label')).first().text());
}

function buttonName(document: CheerioAPI, button: Element): string {
  const node = document(button);
  return (
    ariaName(document, button) || tidy(node.is('input') ? (node.attr('value') ?? 'Submit') : node.text())
  );
}

function ariaName(document: CheerioAPI, element: Element): string {
  const node = document(element);
  const ids = node.attr('aria-labelledby')?.split(/\s+/) ?? [];
  const texts = ids.map(id =>
    document('[id]')
      .filter((_, each) => document(each).attr('id') === id)
      .text(),
  );
  return tidy(texts.join(' ')) || tidy(node.attr('aria-label') ?? '');
}

function tidy(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
