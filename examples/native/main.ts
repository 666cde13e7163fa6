import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as openid from 'openid-client';

// A native app opens the system browser and listens on a loopback port for the answer (RFC 8252 §7.3).
const server = new URL(process.env.EXAMPLE_ISSUER ?? 'http://localhost:3000');
const clientId = process.env.EXAMPLE_CLIENT_ID;
if (!clientId) throw new Error('EXAMPLE_CLIENT_ID must be the client_id that `keyhold clients add` printed.');

const keyhold = await openid.discovery(server, clientId, undefined, openid.None(), {
  execute: server.protocol === 'http:' ? [openid.allowInsecureRequests] : [],
});

const listener = createServer();
await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve));
// The port differs each time; Keyhold lets it differ for a loopback redirect of a native client (RFC 8252 §8.3).
const redirectUri = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/callback`;

const state = openid.randomState();
const nonce = openid.randomNonce();
const codeVerifier = openid.randomPKCECodeVerifier();
const url = openid.buildAuthorizationUrl(keyhold, {
  redirect_uri: redirectUri,
  scope: 'openid profile email',
  state,
  nonce,
  code_challenge: await openid.calculatePKCECodeChallenge(codeVerifier),
  code_challenge_method: 'S256',
});
console.log(`Open this address in your browser to sign in:\n\n  ${url.href}\n`);

/** Waits for the browser to come back, and ignores whatever else knocks at the port. */
const callback = await new Promise<URL>(resolve => {
  listener.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const arrived = new URL(request.url ?? '/', redirectUri);
    if (arrived.pathname !== '/callback') return response.writeHead(404).end();
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
    response.end('You can close this window and go back to the app.');
    return resolve(arrived);
  });
});
listener.close();

const tokens = await openid.authorizationCodeGrant(keyhold, callback, {
  expectedState: state,
  expectedNonce: nonce,
  pkceCodeVerifier: codeVerifier,
  idTokenExpected: true,
});
const subject = tokens.claims()?.sub;
if (!subject) throw new Error('Keyhold sent no ID token.');
console.log('You are signed in. Keyhold says about you:');
console.log(await openid.fetchUserInfo(keyhold, tokens.access_token, subject));
// Keep tokens.refresh_token, if you ask for one, in the system's keychain. This example forgets everything at exit.
