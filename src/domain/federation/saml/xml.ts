import { decryptXml, getVerifiedXml, parseDomFromString } from '@node-saml/node-saml/lib/xml.js';
import { plainXml, untrue } from './message.js';

/** The namespaces of what SAML messages are made of. */
export const NS = {
  assertion: 'urn:oasis:names:tc:SAML:2.0:assertion',
  protocol: 'urn:oasis:names:tc:SAML:2.0:protocol',
  metadata: 'urn:oasis:names:tc:SAML:2.0:metadata',
  signature: 'http://www.w3.org/2000/09/xmldsig#',
  encryption: 'http://www.w3.org/2001/04/xmlenc#',
} as const;
type Namespace = keyof typeof NS;

const C14N = 'http://www.w3.org/2001/10/xml-exc-c14n#';
/** What a signature may be made with; SHA-1 and keyed hashes are not among it. */
const STRONG: Readonly<Record<string, readonly string[]>> = {
  SignatureMethod: [
    'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
    'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1',
  ],
  DigestMethod: ['http://www.w3.org/2001/04/xmlenc#sha256', 'http://www.w3.org/2001/04/xmlenc#sha512'],
  CanonicalizationMethod: [C14N, 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315'],
  Transform: [
    C14N,
    'http://www.w3.org/TR/2001/REC-xml-c14n-20010315',
    'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
  ],
};
/* PKCS #1 v1.5 is told apart from noise by how it fails, and 3DES has blocks that repeat; CBC is what most still send. */
const SEALED_WITH = [
  'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
  'http://www.w3.org/2001/04/xmlenc#aes128-cbc',
  'http://www.w3.org/2001/04/xmlenc#aes256-cbc',
  'http://www.w3.org/2009/xmlenc11#aes128-gcm',
  'http://www.w3.org/2009/xmlenc11#aes256-gcm',
];

/** The root of XML that holds nothing forbidden and is of this name. */
export async function rootOf(xml: string, namespace: Namespace, name: string): Promise<Element> {
  const document = await parsed(xml);
  const root = document.documentElement;
  if (root.namespaceURI !== NS[namespace] || root.localName !== name) throw untrue('malformed');
  return root;
}

async function parsed(xml: string): Promise<Document> {
  try {
    return await parseDomFromString(xml);
  } catch (cause) {
    throw untrue('malformed', cause);
  }
}

/** The children of this name, in order. */
export function children(parent: Element, namespace: Namespace, name: string): readonly Element[] {
  const found = [];
  for (let node = parent.firstChild; node; node = node.nextSibling) {
    const element = node as Element;
    if (node.nodeType === 1 && element.namespaceURI === NS[namespace] && element.localName === name)
      found.push(element);
  }
  return found;
}

/** The one child of this name; none, or the first of several, is not it. */
export function only(parent: Element, namespace: Namespace, name: string): Element | undefined {
  const [first, ...others] = children(parent, namespace, name);
  return others.length === 0 ? first : undefined;
}

/* One after the other and without calling itself: XPath takes longer for a large message than all else together. */
function* elementsWithin(root: Element): Generator<Element> {
  let at: Node | null = root;
  while (at) {
    if (at.nodeType === 1) yield at as Element;
    let next: Node | null = at.firstChild;
    while (!next && at && at !== root) {
      next = at.nextSibling;
      if (!next) at = at.parentNode;
    }
    at = next;
  }
}

/** How many elements have one of these names, at any depth and in any namespace, the element itself among them. */
export function countWithin(root: Element, names: readonly string[]): number {
  let found = 0;
  for (const element of elementsWithin(root)) if (names.includes(element.localName)) found += 1;
  return found;
}

/** What an attribute says; undefined where there is none, or an empty one. */
export function attribute(element: Element, name: string): string | undefined {
  return element.getAttribute(name) || undefined;
}

/** The text of an element that holds nothing but text; undefined where it holds elements, or no text. */
export function textIn(element: Element | undefined): string | undefined {
  if (!element) return undefined;
  for (let node = element.firstChild; node; node = node.nextSibling)
    if (node.nodeType !== 3) return undefined;
  return element.textContent?.trim() || undefined;
}

/** A time as SAML writes it, in UTC (SAML Core §1.3.3). */
export function timeIn(element: Element, name: string): Date | undefined {
  const written = attribute(element, name);
  if (written === undefined) return undefined;
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(written) ? new Date(written) : new Date(NaN);
  if (Number.isNaN(at.getTime())) throw untrue('malformed');
  return at;
}

/** Refuses signatures anywhere within that are made with anything but what is strong today. */
export function refuseWeakSignatures(root: Element): void {
  for (const element of elementsWithin(root)) {
    const allowed = Object.hasOwn(STRONG, element.localName) ? STRONG[element.localName] : undefined;
    /* The digest of a key transport hides nothing that could be forged. */
    const isOther = element.localName === 'DigestMethod' && parentName(element) !== 'Reference';
    if (allowed && !isOther && !allowed.includes(element.getAttribute('Algorithm') ?? ''))
      throw untrue('weak_algorithm');
  }
}

const parentName = ({ parentNode }: Element) => (parentNode as Element | null)?.localName;

/** What a signature of one of these certificates covers, when the element itself is signed and nothing else by it. */
export function verifiedXml(xml: string, root: Element, certificates: readonly string[]): string {
  if (!only(root, 'signature', 'Signature')) throw untrue('unsigned');
  refuseWeakSignatures(root);
  let covered: string | null;
  try {
    covered = getVerifiedXml(xml, root, [...certificates]);
  } catch (cause) {
    throw untrue('signature', cause);
  }
  if (covered === null) throw untrue('signature');
  return covered;
}

/** What an encrypted element holds, and the key of ours that opens it. */
export interface Opened {
  readonly key: string;
  readonly root: Element;
}

/**
 * Opens an encrypted element with the key of ours that it is for. What it holds is looked at as any message is, since the library that
 * opens it again would read what stands in it without asking.
 */
export async function opened(sealed: Element, keys: readonly string[]): Promise<Opened> {
  const methods = [...elementsWithin(sealed)].filter(each => each.localName === 'EncryptionMethod');
  const areStrong = methods.every(each => SEALED_WITH.includes(each.getAttribute('Algorithm') ?? ''));
  if (methods.length === 0 || !areStrong) throw untrue('weak_algorithm');
  for (const key of keys) {
    const xml = await decryptXml(sealed.toString(), key).catch(() => undefined);
    if (xml === undefined) continue;
    const { documentElement: root } = await parsed(plainXml(xml));
    refuseWeakSignatures(root);
    return { key, root };
  }
  throw untrue('encryption');
}
