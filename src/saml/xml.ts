import { DOMParser } from '@xmldom/xmldom';
import { Refusal } from '../platform/errors.js';

/** An element as we read it: no comment, no entity, no instruction ever stands between what is signed and what is read. */
export interface XmlElement {
  readonly ns: string;
  readonly name: string;
  /** Those without a namespace, by name. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** What stands in it, where nothing but text does. */
  readonly text: string;
}

/* No message has more; whatever walks through one that is thousands deep runs out of stack. */
const MOST_CHARACTERS = 65_536;
const MOST_ELEMENTS = 1_000;
const DEEPEST = 24;

const ELEMENT = 1;
const TEXT = 3;
const COMMENT = 8;

/** The refusal of a message that cannot be read, whatever is wrong with it. */
export const unreadable = (cause?: unknown) =>
  new Refusal('invalid', 'saml_unreadable', 'What the app sent could not be read.', { cause });

/** The refusal of a message that no key of the app has signed. */
export const unsigned = () =>
  new Refusal('invalid', 'saml_signature', 'What the app sent is not signed by it.');

/** The refusal of a message that wants to go, or went, where the app is not registered or we are not. */
export const misdirected = (code: 'saml_destination' | 'saml_acs') =>
  new Refusal('invalid', code, 'What the app sent names an address that is not registered.');

interface DomNode {
  readonly nodeType: number;
  readonly namespaceURI?: string | null;
  readonly localName?: string | null;
  readonly data?: string;
  readonly attributes?: ArrayLike<{
    readonly namespaceURI?: string | null;
    readonly name: string;
    readonly value: string;
  }>;
  readonly firstChild?: DomNode | null;
  readonly nextSibling?: DomNode | null;
}

/**
 * Reads XML that somebody sent. What declares anything (`<!DOCTYPE`, entities) is refused before it is parsed, so that
 * nothing is fetched, expanded or left out.
 */
export function readXml(text: string, { comments = false, most = MOST_CHARACTERS } = {}): XmlElement {
  if (text.length > most || /<!(?!--)|<\?(?!xml\s)/.test(text)) throw unreadable();
  if (!comments && text.includes('<!--')) throw unreadable();
  const root = parse(text).firstChild;
  let node = root;
  while (node && node.nodeType !== ELEMENT) node = node.nextSibling;
  if (!node) throw unreadable();
  return elementOf(node, 1, { left: most === MOST_CHARACTERS ? MOST_ELEMENTS : most }, comments);
}

function parse(text: string): DomNode {
  const stop = (level: string, message: unknown) => {
    throw unreadable(new Error(`${level}: ${message}`));
  };
  try {
    const errorHandler = (level: string, message: unknown) => stop(level, message);
    return new DOMParser({ errorHandler }).parseFromString(text, 'text/xml') as unknown as DomNode;
  } catch (cause) {
    throw cause instanceof Refusal ? cause : unreadable(cause);
  }
}

function elementOf(node: DomNode, depth: number, budget: { left: number }, comments: boolean): XmlElement {
  budget.left -= 1;
  if (depth > DEEPEST || budget.left < 0) throw unreadable();
  const children: XmlElement[] = [];
  let text = '';
  for (let child = node.firstChild; child; child = child.nextSibling) {
    if (child.nodeType === ELEMENT) children.push(elementOf(child, depth + 1, budget, comments));
    else if (child.nodeType === TEXT) text += child.data ?? '';
    else if (!(comments && child.nodeType === COMMENT)) throw unreadable();
  }
  const plain = Array.from(node.attributes ?? []).filter(({ namespaceURI }) => !namespaceURI);
  return {
    ns: node.namespaceURI ?? '',
    name: node.localName ?? '',
    attributes: Object.fromEntries(plain.map(({ name, value }) => [name, value])),
    children,
    text: children.length === 0 ? text.trim() : '',
  };
}

/** The child elements of a name. */
export const childrenOf = (element: XmlElement, ns: string, name: string): readonly XmlElement[] =>
  element.children.filter(child => child.ns === ns && child.name === name);

/** The one child element of a name; refuses where there are several. */
export function childOf(element: XmlElement, ns: string, name: string): XmlElement | undefined {
  const [found, another] = childrenOf(element, ns, name);
  if (another) throw unreadable();
  return found;
}

/** Every element of a name, at whatever depth. */
export function* allOf(element: XmlElement, ns: string, name: string): Iterable<XmlElement> {
  if (element.ns === ns && element.name === name) yield element;
  for (const child of element.children) yield* allOf(child, ns, name);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\t': '&#9;',
  '\n': '&#10;',
};

/* XML 1.0 §2.2: nothing else can stand in a document, however it is written. */
const NOWHERE = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;

/* What one parser or another takes for the end of a line, and would read as something else than was signed. */
const LINE_ENDS = /\r\n?|[\u0085\u2028]/g;

/** A text as it may stand in an element or an attribute. */
export const escaped = (text: string): string =>
  text
    .replace(NOWHERE, '\ufffd')
    .replace(LINE_ENDS, '\n')
    .replace(/[&<>"'\t\n]/g, found => ESCAPES[found] ?? found);

/** XML of which every value is escaped. */
export function xml(parts: TemplateStringsArray, ...values: readonly (string | Written)[]): Written {
  const text = parts.reduce((so, part, at) => {
    const value = values[at];
    return so + part + (value === undefined ? '' : typeof value === 'string' ? escaped(value) : value.xml);
  }, '');
  return { xml: text };
}

/** XML that was written by `xml`, so that it can stand in more of it. */
export interface Written {
  readonly xml: string;
}

/** One after the other. */
export const joined = (all: readonly Written[]): Written => ({ xml: all.map(one => one.xml).join('') });
