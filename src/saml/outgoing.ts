import { sign } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRawSync } from 'node:zlib';
import type { SigningPair } from './keys.js';
import type { Passage } from './parts.js';
import { RSA_SHA256, signed } from './signing.js';
import type { Written } from './xml.js';

const inPool = promisify(sign);

/** A message that is about to go to an app by the person's browser. */
export interface Outgoing {
  readonly kind: 'SAMLRequest' | 'SAMLResponse';
  readonly binding: 'redirect' | 'post';
  readonly to: string;
  readonly message: Written;
  readonly relayState: string | undefined;
}

/** Takes a message to an app: by an address that carries it (Bindings §3.4), or by a form (§3.5). */
export async function onwardBy(
  { kind, binding, to, message, relayState }: Outgoing,
  key: SigningPair,
): Promise<Passage> {
  const state = relayState === undefined ? [] : [['RelayState', relayState] as const];
  if (binding === 'post') {
    const value = Buffer.from(signed(message, key).xml).toString('base64');
    const fields = [[kind, value] as const, ...state].map(([name, each]) => ({ name, value: each }));
    return { action: to, fields };
  }
  const deflated = deflateRawSync(message.xml).toString('base64');
  const query = [[kind, deflated] as const, ...state, ['SigAlg', RSA_SHA256] as const]
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');
  const signature = await inPool('sha256', Buffer.from(query), key.privateKey);
  const link = `${to}${to.includes('?') ? '&' : '?'}${query}&Signature=${encodeURIComponent(signature.toString('base64'))}`;
  return { link };
}
