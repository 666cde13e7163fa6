import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ejs, { type TemplateFunction } from 'ejs';
import { digest } from '../crypto/tokens.js';
import { type Assets, openAssets } from './assets.js';
import type { Translate, Words } from './words.js';

/** What every page is given by whoever renders it. */
export interface PageFrame {
  readonly language: string;
  readonly csrf: string;
  readonly issuerName: string;
  readonly nonce?: string | undefined;
  /** The pending request; its pages live under `/interaction/:uid`. */
  readonly uid?: string | undefined;
  /** The time zone of whoever reads it, as IANA names it; UTC without. */
  readonly zone?: string | undefined;
  /** Where a GET shows this page: language links lead there. Without it and `uid` there are none. */
  readonly here?: string | undefined;
}

/** A template's whole world: the frame and the model, and what the renderer adds. */
interface Page extends PageFrame {
  readonly t: Translate;
  readonly direction: 'ltr' | 'rtl';
  readonly at: string;
  readonly languageLinks: readonly LanguageLink[];
  asset(name: string): string;
  /** An address a person may follow; anything but http, https, a path of ours or an app's key becomes `#`. */
  link(address: string): string;
  time(at: Date): string;
  date(at: Date): string;
  list(items: readonly string[]): string;
  /** The name of a country, by its two letters. */
  country(code: string): string;
}

interface LanguageLink {
  readonly code: string;
  readonly name: string;
  readonly href: string;
  readonly current: boolean;
}

/** A mail, ready to be handed to a transport. */
export interface RenderedMail {
  /** Another one whenever its template or its words in this language are. */
  readonly version: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Turns templates and models into pages and mails. */
export interface Renderer {
  page<Model extends PageFrame>(template: string, page: Model): string;
  mail(template: string, language: string, page: object): RenderedMail;
  /** Words and days in a language, for what is put into the words of a mail. */
  speech(language: string, zone?: string): { readonly t: Translate; date(at: Date): string };
}

const BY_NAME = new Intl.Collator('en');
const VIEWS = fileURLToPath(new URL('../../../../views/', import.meta.url));

/** Compiles every template once, so that a broken one fails at start and never in front of a person. */
export function openRenderer(words: Words, assets: Assets = openAssets()): Renderer {
  const { templates, sources } = compileAll();
  const versions = new Map<string, string>();
  const versionOf = (template: string, language: string): string => {
    const name = `${template} ${language}`;
    const version =
      versions.get(name) ?? mailVersion(sources, template, keys => words.spokenBy(language, keys));
    versions.set(name, version);
    return version;
  };
  const say = (template: string, page: object): string => {
    const compiled = templates.get(template);
    if (compiled === undefined) throw new Error(`there is no template named ${template}`);
    return compiled(page);
  };
  const speech = (language: string, zone?: string) => {
    const values = words.values(language);
    return {
      language,
      direction: words.direction(language),
      t: words.translator(language),
      time: (at: Date) => values.time(at, zone),
      date: (at: Date) => values.date(at, zone),
      list: values.list,
      country: values.country,
      line: values.line,
    };
  };
  return {
    page: (template, page) => {
      const at = page.uid === undefined ? '' : `/interaction/${encodeURIComponent(page.uid)}`;
      const full: Page = {
        ...page,
        ...speech(page.language, page.zone),
        at,
        languageLinks: languageLinks(words, page.language, page.here ?? at),
        asset: assets.url,
        link: safeLink,
      };
      return say(template, full);
    },
    mail: (template, language, page) => {
      const zone = 'zone' in page && typeof page.zone === 'string' ? page.zone : undefined;
      const full = { ...page, ...speech(language, zone), link: safeLink };
      return {
        version: versionOf(template, language),
        subject: say(`mail/${template}/subject`, full).trim(),
        text: `${say(`mail/${template}/text`, full).trim()}\n`,
        html: say(`mail/${template}/html`, full),
      };
    },
    speech,
  };
}

interface Compiled {
  readonly templates: ReadonlyMap<string, TemplateFunction>;
  readonly sources: ReadonlyMap<string, string>;
}

function compileAll(): Compiled {
  const templates = new Map<string, TemplateFunction>();
  const sources = new Map<string, string>();
  for (const file of readdirSync(VIEWS, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ejs')) continue;
    const name = file.slice(0, -'.ejs'.length).replaceAll('\\', '/');
    const source = readFileSync(VIEWS + file, 'utf8');
    if (name.startsWith('mail/')) sources.set(name, source);
    const plain = /^mail\/.*\/(subject|text)$/.test(name);
    templates.set(
      name,
      ejs.compile(source, {
        filename: VIEWS + file,
        root: VIEWS,
        cache: true,
        strict: true,
        _with: false,
        localsName: 'page',
        ...(plain ? { escape: plainText } : {}),
      }),
    );
  }
  return { templates, sources };
}

/* What it says: the template with the frames of all mails, and the words that they name. */
function mailVersion(
  sources: Compiled['sources'],
  template: string,
  spokenBy: (keys: readonly string[]) => readonly string[],
): string {
  const own = [...sources].filter(
    ([name]) => name.startsWith(`mail/${template}/`) || name.startsWith('mail/frame/'),
  );
  const texts = own.map(([, source]) => source).sort();
  const keys = texts.flatMap(text => [...text.matchAll(/\bt\('([^']+)'/g)].map(found => found[1] ?? ''));
  return digest(JSON.stringify([texts, spokenBy(keys)])).toString('hex', 0, 4);
}

/** A value in a mail's text or subject stays on its line: nobody's name may start a paragraph or a header. */
function plainText(value: unknown): string {
  return String(value ?? '').replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}

function languageLinks(words: Words, current: string, here: string): LanguageLink[] {
  if (here === '' || words.languages.length < 2) return [];
  const links = words.languages.map(code => ({
    code,
    name: words.translator(code)('language.name'),
    href: `${here}${here.includes('?') ? '&' : '?'}ui_locales=${code}`,
    current: code === current,
  }));
  // By their own names and in one order on every page, so that a language is found where it was.
  return links.sort((a, b) => BY_NAME.compare(a.name, b.name));
}

/* Beside a page that is read from a disk lie files in folders. */
const SAFE = /^(https?:\/\/|\/(?![/\\])|otpauth:\/\/totp\/|[a-z]+\/[\w.-]+$)/i;

function safeLink(address: string): string {
  return SAFE.test(address) ? address : '#';
}
