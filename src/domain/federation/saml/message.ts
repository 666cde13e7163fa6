import { inflateRawSync } from 'node:zlib';
import { UpstreamTrouble } from '../upstream.js';

/** Why a message of an identity provider was not believed: a constant word for the record, never a part of what was sent. */
export type Disbelief =
  | 'malformed'
  | 'too_large'
  | 'sent_twice'
  | 'forbidden_markup'
  | 'weak_algorithm'
  | 'unsigned'
  | 'signature'
  | 'encryption'
  | 'issuer'
  | 'destination'
  | 'recipient'
  | 'in_response_to'
  | 'audience'
  | 'condition'
  | 'time'
  | 'subject'
  | 'name_id'
  | 'context'
  | 'status'
  | 'seen_before'
  | 'metadata';

/** What comes of a message that is not believed. */
export function untrue(why: Disbelief, cause?: unknown): UpstreamTrouble {
  return new UpstreamTrouble('untrue', why, cause);
}

/** So long may a message be, in characters: groups of a large company fit, and no parser works for long. */
export const LONGEST_MESSAGE = 262_144;
/** So many elements: what works through them calls itself for each that lies in another. */
const MOST_ELEMENTS = 2_000;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const PROLOG = /^\s*<\?xml\s[^<>?]*\?>/;

/**
 * The text of XML that no parser has seen yet. In well-formed XML `<!` and `<?` begin what a SAML message never needs: a
 * document type and its entities (XXE), comments, which readers cut names at, CDATA and processing instructions.
 */
export function plainXml(text: string, longest = LONGEST_MESSAGE): string {
  if (text.length > longest) throw untrue('too_large');
  const xml = text.replace(PROLOG, '');
  if (/<[!?]/.test(xml)) throw untrue('forbidden_markup');
  if ((xml.match(/<[^/]/g)?.length ?? 0) > MOST_ELEMENTS) throw untrue('too_large');
  return xml;
}

/** The XML in a field of a posted form (SAML Bindings §3.5.4). A field that came twice says two things: neither is believed. */
export function postedXml(field: unknown): string {
  return plainXml(textOf(bytesOf(field)));
}

/** The XML in a parameter of an address (SAML Bindings §3.4.4.1); it is never inflated beyond what a message may be. */
export function redirectedXml(parameter: unknown): string {
  const bytes = bytesOf(parameter);
  let inflated: Buffer;
  try {
    inflated = inflateRawSync(bytes, { maxOutputLength: LONGEST_MESSAGE });
  } catch (cause) {
    const isBomb = (cause as { readonly code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
    throw untrue(isBomb ? 'too_large' : 'malformed', cause);
  }
  return plainXml(textOf(inflated));
}

function bytesOf(sent: unknown): Buffer {
  if (Array.isArray(sent)) throw untrue('sent_twice');
  if (typeof sent !== 'string') throw untrue('malformed');
  if (sent.length > LONGEST_MESSAGE * 1.4) throw untrue('too_large');
  const base64 = sent.replace(/[\r\n\t ]/g, '');
  if (!BASE64.test(base64)) throw untrue('malformed');
  return Buffer.from(base64, 'base64');
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw untrue('malformed', cause);
  }
}
