import { isLoopbackHost, isPrivateHost, isWebPort } from '../../platform/addresses.js';

/**
 * What becomes of a registered URI: a browser is sent there with an answer (`redirect`), a person may follow it
 * (`link`), we fetch it ourselves (`fetched`), or a script there may call us (`origin`).
 */
export type UriUse = 'redirect' | 'link' | 'fetched' | 'origin';

/** Which exceptions from "https and public" hold for the client that registers a URI. */
export interface UriAllowance {
  /** http on loopback, and custom schemes, for apps on a person's own machine (RFC 8252 §7). */
  readonly native: boolean;
  /** http on loopback for an app under development, where the issuer itself is on loopback. */
  readonly loopback: boolean;
  /** http and private addresses everywhere. */
  readonly privateNetwork: boolean;
}

const SCRIPT_SCHEMES = /^(javascript|data|vbscript|file|blob|about|view-source):/i;
const REVERSE_DOMAIN = /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$/;
// What a server or browser further on may undo: dots, slashes, backslashes, percent signs and control characters.
const DISGUISED = /%(2e|2f|5c|25|7f|[01][0-9a-f])/i;
const HOST_NAME = /^([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/** What is wrong with a URI for this use, in plain words; undefined when it may be registered. */
export function uriProblem(value: string, use: UriUse, allowed: UriAllowance): string | undefined {
  return spellingProblem(value) ?? meaningProblem(value, use, allowed);
}

/** Whether a URI is one of plain text: what is registered is compared byte by byte, so it has one spelling only. */
function spellingProblem(value: string): string | undefined {
  if (value.length > 2048) return 'is longer than 2048 characters';
  if (SCRIPT_SCHEMES.test(value.trim())) return `must not use the scheme ${value.trim().split(':')[0]}:`;
  if (!/^[\x21-\x7e]+$/.test(value))
    return 'must be printable ASCII without spaces (punycode for other scripts)';
  if (/[<>"\\^`{|}]/.test(value)) return 'must not contain any of < > " \\ ^ ` { | }';
  if (value.includes('#')) return 'must not contain a fragment (#)';
  if (value.includes('*')) return 'must not contain a wildcard (*): register each address exactly';
  if (/%(?![0-9a-f]{2})/i.test(value)) return 'has a % that does not begin an escape';
  if (!URL.canParse(value)) return 'is not an absolute URI';
  return undefined;
}

function meaningProblem(value: string, use: UriUse, allowed: UriAllowance): string | undefined {
  const url = new URL(value);
  if (url.protocol === 'https:' || url.protocol === 'http:') {
    return webSpellingProblem(value, url) ?? placeProblem(url, use, allowed);
  }
  const scheme = url.protocol.slice(0, -1);
  if (use !== 'redirect' || !allowed.native) return `must be an https address, not ${scheme}:`;
  if (!REVERSE_DOMAIN.test(scheme)) {
    return `must use a private scheme with a dot, a domain of yours turned round (com.example.app), not ${scheme}:`;
  }
  if (!value.startsWith(`${url.protocol}/`))
    return 'must be a scheme in lower case and a path (com.example.app:/back)';
  if (value.includes('@')) return 'must not contain credentials (@)';
  return pathProblem(value.slice(url.protocol.length));
}

/** A web address as it would be printed: scheme, host and path look the same before and after parsing. */
function webSpellingProblem(value: string, url: URL): string | undefined {
  const match = /^(https?):\/\/([^/?]+)([^?]*)/.exec(value);
  if (!match) return 'must begin with https:// and a host, in lower case';
  const [, , authority = '', path = ''] = match;
  if (authority.includes('@')) return 'must not contain credentials (@)';
  const port = url.protocol === 'https:' ? 443 : 80;
  if (authority !== url.host && authority !== `${url.hostname}:${port}`) {
    return `must write its host plainly and in lower case (${url.host})`;
  }
  if (!url.hostname.startsWith('[') && !HOST_NAME.test(url.hostname))
    return 'has a host that is no host name';
  if (/%(7f|[01][0-9a-f])/i.test(url.search)) return 'must not contain control characters';
  return pathProblem(path);
}

function pathProblem(path: string): string | undefined {
  if (DISGUISED.test(path))
    return 'must not hide dots, slashes, percent signs or control characters in its path';
  if (/(^|\/)\.\.?([/;?]|$)/.test(path)) return 'must not contain the path segments . or ..';
  return undefined;
}

/** Whether the place may be registered: https and public, unless an exception holds. */
function placeProblem(url: URL, use: UriUse, allowed: UriAllowance): string | undefined {
  const loopback = isLoopbackHost(url.hostname);
  if (allowed.privateNetwork && isPrivateHost(url.hostname)) return undefined;
  if (loopback && url.protocol === 'http:') {
    if (use === 'redirect' && (allowed.native || allowed.loopback)) return undefined;
    if ((use === 'link' || use === 'origin') && allowed.loopback) return undefined;
  }
  if (url.protocol === 'http:') {
    return use === 'redirect'
      ? 'must be https (http is only for loopback addresses of native clients, and of development clients, which all are on a loopback issuer)'
      : 'must be https';
  }
  if (isPrivateHost(url.hostname)) return 'must not point to a private, loopback or link-local address';
  if (use === 'fetched' && !isWebPort(url)) return `must not use port ${url.port}`;
  return undefined;
}
