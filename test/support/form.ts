import type { CheerioAPI } from 'cheerio';
import type { Element } from 'domhandler';
import type { OpenPage } from './page.js';

/** What a browser would send when a form is submitted. */
export interface Submission {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly body: URLSearchParams | undefined;
}

/** What pressing a button sends (HTML §4.10.21.3), hidden fields and the button's own name included. */
export function submissionOf(page: OpenPage, button: Element): Submission {
  const { document } = page;
  const pressed = document(button);
  const form = formOf(document, button);
  if (!form) throw new Error(`the button "${pressed.text().trim()}" on ${page.url.href} belongs to no form`);
  const owner = document(form);
  if ((pressed.attr('type') ?? 'submit').toLowerCase() === 'button') {
    throw new Error(
      `the button "${pressed.text().trim()}" on ${page.url.href} does nothing without a script`,
    );
  }
  const entries = entriesOf(document, form, button);
  const method = (pressed.attr('formmethod') ?? owner.attr('method') ?? 'get').toUpperCase();
  const url = new URL(pressed.attr('formaction') ?? owner.attr('action') ?? '', page.url);
  if (method !== 'POST') {
    url.search = entries.toString();
    return { method: 'GET', url, body: undefined };
  }
  if (owner.attr('enctype')?.startsWith('multipart')) throw new Error('multipart forms are not spoken here');
  return { method, url, body: entries };
}

function formOf(document: CheerioAPI, control: Element): Element | undefined {
  const id = document(control).attr('form');
  const form = id ? document('form').filter((_, each) => document(each).attr('id') === id) : undefined;
  return (form ?? document(control).closest('form')).toArray()[0] as Element | undefined;
}

function entriesOf(document: CheerioAPI, form: Element, pressed: Element): URLSearchParams {
  const entries = new URLSearchParams();
  for (const control of document('input,select,textarea,button').toArray() as Element[]) {
    const node = document(control);
    const name = node.attr('name');
    if (!name || formOf(document, control) !== form) continue;
    if (node.is('[disabled]') || node.closest('fieldset[disabled]').length > 0) continue;
    for (const value of valuesOf(document, control, pressed)) entries.append(name, value);
  }
  return entries;
}

function valuesOf(document: CheerioAPI, control: Element, pressed: Element): readonly string[] {
  const node = document(control);
  if (node.is('textarea')) return [node.text()];
  if (node.is('select')) {
    const chosen = node.find('option[selected]');
    const options = (chosen.length > 0 ? chosen : node.find('option').first()).toArray() as Element[];
    return options.map(option => document(option).attr('value') ?? document(option).text());
  }
  const type = (node.attr('type') ?? (node.is('button') ? 'submit' : 'text')).toLowerCase();
  if (type === 'checkbox' || type === 'radio')
    return node.is('[checked]') ? [node.attr('value') ?? 'on'] : [];
  if (['submit', 'image', 'button', 'reset'].includes(type)) {
    return control === pressed ? [node.attr('value') ?? ''] : [];
  }
  return [node.attr('value') ?? ''];
}
