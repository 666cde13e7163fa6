import type { Element } from 'domhandler';
import { CookieJar } from 'tough-cookie';
import { type Dispatcher, fetch } from 'undici';
import { type Submission, submissionOf } from './form.js';
import { devMailbox, type Mailbox, newestNow, type ReceivedMail } from './mailbox.js';
import { findButton, findField, findLink, type OpenPage, type ReadPage, readPage } from './page.js';

/** Somebody with a browser that runs no scripts: reads pages, fills fields by their labels, presses buttons. */
export interface Person {
  readonly jar: CookieJar;
  readonly page: ReadPage;
  /** Every address on the way to the current page, the first one included. */
  readonly trail: readonly URL[];
  goto(url: string | URL): Promise<ReadPage>;
  follow(link: string): Promise<ReadPage>;
  fill(label: string, value: string): void;
  tick(label: string): void;
  untick(label: string): void;
  press(button: string): Promise<ReadPage>;
  /** Sends a form that no page offered, as an attacker or a broken script would. */
  post(url: string | URL, fields: Readonly<Record<string, string>>): Promise<ReadPage>;
  /** The newest mail to this address, waited for: mail leaves after the page was shown. */
  latestMail(to: string, after?: ReceivedMail): Promise<ReceivedMail>;
  /** The newest mail to this address at this moment, if any. */
  newestMail(to: string, subject?: RegExp): Promise<ReceivedMail | undefined>;
  /** The cookies that would be sent to an address, by name. */
  cookies(url: string | URL): Promise<ReadonlyMap<string, string>>;
}

/** Where the person lives and how the network is reached. */
export interface PersonOptions {
  /** Where the mailbox is. */
  readonly origin: string;
  readonly language?: string;
  /** Where mail arrives, if not in the mailbox of development. */
  readonly mailbox?: Mailbox;
  readonly userAgent?: string;
  /** What a proxy on the way adds. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Reaches hosts that only exist in this test. */
  readonly dispatcher?: Dispatcher;
  /** Addresses that begin so are arrived at and not asked: an app that is not running. */
  readonly away?: readonly string[];
}

const MOST_REDIRECTS = 20;

/** Somebody new, with an empty cookie jar. */
export function newPerson(options: PersonOptions): Person {
  const jar = new CookieJar(undefined, { prefixSecurity: 'strict' });
  let current: OpenPage = readPage(new URL('about:blank'), 0, new Headers(), '');
  let trail: readonly URL[] = [];

  const go = async (submission: Submission, from?: OpenPage): Promise<ReadPage> => {
    ({ page: current, trail } = await travel(options, jar, submission, from));
    return current;
  };
  const setTick = (label: string, ticked: boolean) => {
    const field = current.document(findField(current, label));
    if (ticked) field.attr('checked', '');
    else field.removeAttr('checked');
  };

  return {
    jar,
    get page() {
      return current;
    },
    get trail() {
      return trail;
    },
    goto: url => go({ method: 'GET', url: new URL(url), body: undefined }),
    follow: link => {
      const href = current.document(findLink(current, link)).attr('href') ?? '';
      return go({ method: 'GET', url: new URL(href, current.url), body: undefined }, current);
    },
    fill: (label, value) => fillIn(current, findField(current, label), value),
    tick: label => setTick(label, true),
    untick: label => setTick(label, false),
    press: name => go(submissionOf(current, findButton(current, name)), current),
    post: (url, fields) =>
      go({ method: 'POST', url: new URL(url, current.url), body: new URLSearchParams(fields) }, current),
    latestMail: (to, after) => (options.mailbox ?? devMailbox(options)).latest(to, after),
    newestMail: (to, subject) => newestNow(options, to, subject),
    cookies: async url => new Map((await jar.getCookies(String(url))).map(({ key, value }) => [key, value])),
  };
}

function fillIn(page: OpenPage, field: Element, value: string): void {
  const node = page.document(field);
  if (node.is('textarea')) node.text(value);
  else if (!node.is('select')) node.attr('value', value);
  else {
    node.find('option').removeAttr('selected');
    const options = node.find('option').toArray() as Element[];
    const option = options.find(each => page.document(each).text().trim() === value);
    if (!option) throw new Error(`there is no "${value}" to choose on ${page.url.href}`);
    page.document(option).attr('selected', '');
  }
}

async function travel(options: PersonOptions, jar: CookieJar, first: Submission, from: OpenPage | undefined) {
  const trail: URL[] = [];
  let step = first;
  let policy = from?.headers.get('referrer-policy') ?? '';
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    trail.push(step.url);
    if (options.away?.some(prefix => step.url.href.startsWith(prefix))) {
      return { page: readPage(step.url, 0, new Headers(), step.body?.toString() ?? ''), trail };
    }
    const response = await request(options, jar, step, from?.url, policy);
    const headers = new Headers([...response.headers]);
    for (const cookie of response.headers.getSetCookie()) await keepCookie(jar, cookie, step.url);
    const location = headers.get('location');
    if (response.status < 300 || response.status > 399 || !location) {
      return { page: readPage(step.url, response.status, headers, await response.text()), trail };
    }
    await response.body?.cancel();
    const url = new URL(location, step.url);
    // Fetch §4.4: a POST becomes a GET on 301, 302 and 303, and stays one on 307 and 308.
    step = response.status >= 307 ? { ...step, url } : { method: 'GET', url, body: undefined };
    policy = headers.get('referrer-policy') ?? policy;
  }
  throw new Error(`more than ${MOST_REDIRECTS} redirects:\n${trail.join('\n')}`);
}

async function request(
  options: PersonOptions,
  jar: CookieJar,
  step: Submission,
  from: URL | undefined,
  policy: string,
) {
  const cookies = await jar.getCookieString(step.url.href);
  return fetch(step.url, {
    method: step.method,
    redirect: 'manual',
    body: step.body ?? null,
    headers: {
      ...options.headers,
      accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8',
      'accept-language': options.language ?? 'en',
      'user-agent':
        options.userAgent ?? 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
      'sec-fetch-dest': 'document',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': !from ? 'none' : from.origin === step.url.origin ? 'same-origin' : 'same-site',
      // Fetch §3.2: under no-referrer a browser says that it will not say, even to the page's own origin.
      ...(step.method === 'POST' ? { origin: from && policy !== 'no-referrer' ? from.origin : 'null' } : {}),
      ...(cookies ? { cookie: cookies } : {}),
    },
    ...(options.dispatcher ? { dispatcher: options.dispatcher } : {}),
  });
}

async function keepCookie(jar: CookieJar, cookie: string, url: URL): Promise<void> {
  const kept = await jar.setCookie(cookie, url.href);
  if (!kept) throw new Error(`a browser would not keep this cookie from ${url.origin}: ${cookie}`);
}
