import { type Payload, type Preset, standardEmail, standardSubject } from '../presets/preset.js';
import { type UpstreamIdentity, UpstreamTrouble } from '../upstream.js';

/* About the token and the sign-in, and not about the person. */
const PROTOCOL = new Set(
  'iss aud exp iat nbf jti nonce azp at_hash c_hash s_hash auth_time acr amr sid rt_hash'.split(' '),
);

/** What there is beside an ID token: UserInfo of the same subject, a form that nobody signed, and what is known of the vendor. */
export interface Beside {
  readonly info?: Payload | undefined;
  readonly form?: Payload | undefined;
  readonly preset?: Preset | undefined;
}

/**
 * What the checked payloads of one sign-in say. An address counts as verified only by the payload that it stands in (C01); of a
 * form nobody signed, only what nothing else says is taken, and never an address or who it is.
 */
export function toIdentity(claims: Payload, { info = {}, form = {}, preset }: Beside = {}): UpstreamIdentity {
  const { acr, amr, auth_time: at } = claims;
  const subject = (preset?.subjectOf ?? standardSubject)(claims);
  if (subject === undefined) throw new UpstreamTrouble('untrue', 'no_subject');
  const email = (preset?.emailOf ?? standardEmail)(typeof claims['email'] === 'string' ? claims : info);
  const merged = Object.entries({ ...form, ...info, ...claims }).filter(([name]) => !PROTOCOL.has(name));
  return {
    subject,
    ...(email && { email }),
    claims: Object.fromEntries(merged),
    ...(typeof acr === 'string' && { acr }),
    ...(Array.isArray(amr) && { amr: amr.filter(each => typeof each === 'string') }),
    ...(typeof at === 'number' && { authenticatedAt: new Date(at * 1_000) }),
  };
}
