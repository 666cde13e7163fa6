import type { Renderer } from '../../platform/web/render.js';
import type { ConsentPage, PageModels } from '../page-models.js';

/** A consent page as it stood there, line for line, without anything about the person. */
export interface Shown {
  readonly language: string;
  readonly page: Omit<ConsentPage, 'email' | 'problems' | 'wording'>;
  readonly house: string;
}

/**
 * The exact words of a consent page, read off the page itself: what the template shows is what is on record, whoever changes
 * the template. What is known about the person is left out, so that the same words are the same for everybody.
 */
export function wordingOf(renderer: Renderer, { language, page, house }: Shown): string {
  const anonymous = (asks: ConsentPage['required']) => asks.map(({ now: _, missing: __, ...ask }) => ask);
  const html = renderer.page('consent', {
    ...page,
    required: anonymous(page.required),
    optional: anonymous(page.optional),
    uid: '-',
    email: '',
    problems: [],
    wording: '',
    language,
    issuerName: house,
    csrf: '',
  });
  return JSON.stringify({ language, lines: linesOf(html) });
}

/** The same of another page, whose model says nothing about the person. */
export function wordsOn<Name extends keyof PageModels>(
  renderer: Renderer,
  name: Name,
  model: PageModels[Name],
  { language, house }: Pick<Shown, 'language' | 'house'>,
): string {
  const html = renderer.page(name, { ...model, language, issuerName: house, csrf: '' });
  return JSON.stringify({ language, lines: linesOf(html) });
}

const BLOCKS =
  /<\/?(?:h\d|p|div|li|ul|ol|dl|dt|dd|form|fieldset|legend|label|button|input|details|summary|br)\b[^>]*>/g;

function linesOf(html: string): readonly string[] {
  const [, main = ''] = /<main\b[^>]*>([\s\S]*)<\/main>/.exec(html) ?? [];
  return main
    .replace(/\s+/g, ' ')
    .replace(BLOCKS, '\n')
    .replace(/<[^>]*>/g, '')
    .split('\n')
    .map(line => said(line).replace(/ +/g, ' ').trim())
    .filter(line => line !== '');
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  '#34': '"',
  '#39': "'",
  nbsp: ' ',
};

const said = (text: string) =>
  text.replace(/&(amp|lt|gt|#34|#39|nbsp);/g, (_, name: string) => ENTITIES[name] ?? '');
