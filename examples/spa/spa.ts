import * as openid from 'openid-client';

// Filled in by serve.ts; in your app these are two constants.
const { issuer, clientId } = (await (await fetch('/config.json')).json()) as {
  readonly issuer: string;
  readonly clientId: string;
};
const here = new URL('/', location.href).href;

const server = new URL(issuer);
// A single-page app cannot keep a secret, so it has none: PKCE ties the code to this tab instead.
const keyhold = await openid.discovery(server, clientId, undefined, openid.None(), {
  execute: server.protocol === 'http:' ? [openid.allowInsecureRequests] : [],
});

/** Sends this tab to Keyhold. What must survive the trip waits in sessionStorage, which belongs to this tab alone. */
async function signIn(): Promise<void> {
  const pending = {
    state: openid.randomState(),
    nonce: openid.randomNonce(),
    codeVerifier: openid.randomPKCECodeVerifier(),
  };
  sessionStorage.setItem('pending', JSON.stringify(pending));
  location.href = openid.buildAuthorizationUrl(keyhold, {
    redirect_uri: here,
    scope: 'openid profile email',
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await openid.calculatePKCECodeChallenge(pending.codeVerifier),
    code_challenge_method: 'S256',
  }).href;
}

/** Turns the answer in the address bar into tokens, and clears it from there. */
async function finishSignIn(): Promise<
  Awaited<ReturnType<typeof openid.authorizationCodeGrant>> | undefined
> {
  const stored = sessionStorage.getItem('pending');
  const answer = new URL(location.href);
  const answered = answer.searchParams.has('code') || answer.searchParams.has('error');
  sessionStorage.removeItem('pending');
  history.replaceState(null, '', here);
  if (!stored || !answered) return undefined;
  const pending = JSON.parse(stored) as { state: string; nonce: string; codeVerifier: string };
  return openid.authorizationCodeGrant(keyhold, answer, {
    expectedState: pending.state,
    expectedNonce: pending.nonce,
    pkceCodeVerifier: pending.codeVerifier,
    idTokenExpected: true,
  });
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}.`);
  return found;
}

/** Tokens stay in this variable: never in localStorage, where every script of the origin could read them later. */
async function start(): Promise<void> {
  element('sign-in').addEventListener('click', () => void signIn());
  try {
    const tokens = await finishSignIn();
    const subject = tokens?.claims()?.sub;
    element('sign-in').hidden = subject !== undefined;
    element('sign-out').hidden = subject === undefined;
    element('status').textContent = subject ? 'You are signed in.' : 'You are not signed in.';
    if (!tokens?.id_token || !subject) return;
    const claims = await openid.fetchUserInfo(keyhold, tokens.access_token, subject);
    element('claims').textContent = JSON.stringify(claims, null, 2);
    const next = { id_token_hint: tokens.id_token, post_logout_redirect_uri: here };
    element('sign-out').addEventListener('click', () => {
      location.href = openid.buildEndSessionUrl(keyhold, next).href;
    });
  } catch (error) {
    const denied = error instanceof openid.AuthorizationResponseError && error.error === 'access_denied';
    element('sign-in').hidden = false;
    element('status').textContent = denied ? 'You chose not to sign in.' : `Sign-in failed: ${String(error)}`;
  }
}

await start();
