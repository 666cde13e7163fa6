import { hash } from 'node:crypto';
import type Provider from 'oidc-provider';
import { errors } from 'oidc-provider';
import { PROOF_ID } from './artefacts.js';
import { requestScope } from './request-scope.js';

interface ReplayModel {
  unique(iss: string, jti: string, exp: number): Promise<boolean>;
}

interface EngineContext {
  readonly oidc?: { readonly client?: { readonly clientAuthMethod?: string } };
}

/* A proof may be dated as far ahead as behind (RFC 9449 §11.1), and is good for that much longer. */
const AHEAD = 300;

/**
 * Has the database decide whether an assertion or a proof was used before: the flush writes its `jti`, or conflicts. The
 * engine would look first and write later, which lets two that come together both pass.
 */
export function useProofsOnce(provider: Provider): void {
  const model = provider.ReplayDetection as unknown as ReplayModel;
  const engine = provider.constructor as unknown as { readonly ctx?: EngineContext };
  const authenticated = new WeakSet<object>();
  model.unique = async (iss, jti, exp) => {
    const { ctx } = engine;
    /* Whoever proves who they are by an assertion does so before anything else is looked at. */
    const asserts = ctx?.oidc?.client?.clientAuthMethod === 'private_key_jwt' && !authenticated.has(ctx);
    if (ctx) authenticated.add(ctx);
    const digest = hash('sha256', `${iss}\n${jti}`, 'base64url');
    const id = asserts ? digest : `${PROOF_ID}${digest}`;
    const iat = Math.floor(Date.now() / 1000);
    requestScope().writes.put('ReplayDetection', id, { iss, iat, exp: asserts ? exp : exp + AHEAD });
    return true;
  };
}

const LONGEST = 300;

/** Refuses a client assertion that lives for more than five minutes: its `jti` is remembered for as long. */
export async function mustBeBrief(_ctx: unknown, claims: { readonly exp?: unknown }): Promise<void> {
  if (Number(claims.exp) <= Math.floor(Date.now() / 1000) + LONGEST) return;
  throw new errors.InvalidClientAuth('the client_assertion expires more than five minutes from now');
}
