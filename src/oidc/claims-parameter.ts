import { type ClaimsParameter, errors, type KoaContextWithOIDC } from 'oidc-provider';

/* What OpenID Connect Core §5.5 has is four deep; whatever walks through a value that is thousands deep runs out of stack. */
const DEEPEST = 32;

/** Refuses a `claims` parameter whose members are no requests for a claim, or that is nested deeper than any is. */
export async function mustAskForClaims(ctx: KoaContextWithOIDC, claims: ClaimsParameter): Promise<void> {
  if (depthOf(String(ctx.oidc.params?.['claims'])) > DEEPEST) {
    throw new errors.InvalidRequest('claims parameter is nested too deeply');
  }
  for (const container of ['userinfo', 'id_token'] as const) {
    for (const request of Object.values(claims[container] ?? {}) as unknown[]) {
      if (request === null || (typeof request === 'object' && !Array.isArray(request))) continue;
      throw new errors.InvalidRequest(`claims.${container} members must be null or objects`);
    }
  }
}

/* Of the text, since the value itself may be too deep to be walked through. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of json) {
    if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth -= 1;
  }
  return deepest;
}
