import * as openid from 'openid-client';
import type { TestKeyhold } from './keyhold.js';
import type { Person } from './person.js';
import type { Proving, RelyingParty } from './relying-party.js';

/** Where apps get tokens for. */
export const accountApi = ({ issuer }: Pick<TestKeyhold, 'issuer'>) => `${issuer}/api/me`;

/** An access token for the account API, of somebody who is signed in and allows what is asked. */
export async function accountToken(
  keyhold: Pick<TestKeyhold, 'issuer'>,
  person: Person,
  app: RelyingParty,
  scope: string,
  { proving = {}, ...parameters }: { readonly proving?: Proving } & Readonly<Record<string, unknown>> = {},
): Promise<string> {
  return (await accountTokens(keyhold, person, app, scope, { proving, ...parameters })).access_token;
}

/** The same, with all that came with it. */
export async function accountTokens(
  keyhold: Pick<TestKeyhold, 'issuer'>,
  person: Person,
  app: RelyingParty,
  scope: string,
  { proving = {}, ...parameters }: { readonly proving?: Proving } & Readonly<Record<string, unknown>> = {},
) {
  const verifier = openid.randomPKCECodeVerifier();
  const url = await app.authorizationUrl({
    scope: `openid ${scope}`,
    resource: accountApi(keyhold),
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    ...(parameters as Readonly<Record<string, string>>),
  });
  await person.goto(url);
  if (person.page.buttons.includes('Allow')) await person.press('Allow');
  if (!person.page.url.searchParams.has('code'))
    throw new Error(`no code came: ${person.page.url.href}\n${person.page.text}`);
  return openid.authorizationCodeGrant(
    app.configuration,
    person.page.url,
    {
      pkceCodeVerifier: verifier,
      expectedState: openid.skipStateCheck,
      expectedNonce: url.searchParams.get('nonce') ?? '',
      idTokenExpected: true,
    },
    undefined,
    { ...proving },
  );
}
