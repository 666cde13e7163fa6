import { type ClaimsParameter, errors, type KoaContextWithOIDC } from 'oidc-provider';

/* What OpenID Connect Core §5.5 has is four deep; whatever walks through a value that is thousands deep runs out of stack. */
const DEEPEST = 32;

/* About the sign-in, or for every app to know: nobody's to declare. */
const NOBODYS: readonly string[] = ['sub', 'iss', 'sid', 'acr', 'amr', 'auth_time', 'sale_opt_out'];

/**
 * Takes a `claims` parameter for what the app may ask: one whose members are no requests for a claim, or that is nested
 * deeper than any is, is refused; a claim that an app asks beyond what it declared is as if it had not been asked.
 */
export async function takeClaims(ctx: KoaContextWithOIDC, claims: ClaimsParameter): Promise<void> {
  await mustAskForClaims(ctx, claims);
  const { client, params } = ctx.oidc;
  if (!client?.['purposes'] || !params) return;
  const declared = ['required_claims', 'optional_claims'].flatMap(member => namesIn(client[member]));
  const asked = (container: 'userinfo' | 'id_token') =>
    Object.entries(claims[container] ?? {}).filter(
      ([name]) => NOBODYS.includes(name) || declared.includes(name),
    );
  params['claims'] = JSON.stringify({
    ...claims,
    ...(claims.userinfo && { userinfo: Object.fromEntries(asked('userinfo')) }),
    ...(claims.id_token && { id_token: Object.fromEntries(asked('id_token')) }),
  });
}

const namesIn = (member: unknown) => (Array.isArray(member) ? member.map(String) : []);

async function mustAskForClaims(ctx: KoaContextWithOIDC, claims: ClaimsParameter): Promise<void> {
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
