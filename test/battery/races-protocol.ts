import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as openid from 'openid-client';
import { fetch } from 'undici';
import type { Person } from '../support/person.js';
import { bringCode } from '../support/protocol.js';
import { openRawClient, type RawAnswer, type RawClient } from '../support/raw-client.js';
import { openRelyingParty } from '../support/relying-party.js';
import { type Attempt, newcomer, type Race, type RaceGround, type Round } from './races.js';
import type { Rig } from './rig.js';

type Through = Parameters<Round['use']>[0];

/** What apps use once. */
export async function protocolRaces(ground: RaceGround): Promise<readonly Race[]> {
  const { rig, app } = ground;
  const person = await newcomer(ground);
  const at = await clientsOf(rig, app.client);
  const redeemed = async () => {
    const { code, verifier, redirectUri } = await bringCode(person, app);
    return at(rig.servers[0].dispatcher).code(code, verifier, redirectUri);
  };
  return [
    {
      name: 'authorization code',
      prepare: async () => {
        const { code, verifier, redirectUri } = await bringCode(person, app);
        return family(at, client => client.code(code, verifier, redirectUri));
      },
    },
    {
      name: 'refresh token',
      prepare: async () => {
        const token = String((await redeemed()).body['refresh_token']);
        return family(at, client => client.refresh(token));
      },
    },
    { name: 'device code', prepare: await deviceRace(rig, person) },
    { name: 'pushed request_uri', prepare: () => pushedRequest(ground, person) },
    ...(await machineRaces(rig)),
  ];
}

async function clientsOf(rig: Rig, client: RaceGround['app']['client']) {
  const clients = new Map<Through, RawClient>();
  for (const { dispatcher } of rig.servers)
    clients.set(dispatcher, await openRawClient(rig, client, dispatcher));
  return (through: Through) => clients.get(through) as RawClient;
}

/* Whoever wins, the others are reuse, so that what the winner was given is dead at once. */
function family(at: (through: Through) => RawClient, act: (client: RawClient) => Promise<RawAnswer>): Round {
  let winner: RawAnswer | undefined;
  let any: RawClient | undefined;
  const strange: string[] = [];
  return {
    use: async through => {
      any = at(through);
      const answer = await act(any);
      if (answer.status === 200) winner = answer;
      else if (answer.status !== 503 && answer.body['error'] !== 'invalid_grant')
        strange.push(`${answer.status} ${answer.text}`);
      return { status: answer.status, won: answer.status === 200 };
    },
    audit: async () => {
      const { access_token: access, refresh_token: refresh } = (winner?.body ?? {}) as Record<string, string>;
      if (access && (await any?.userInfo(access))?.status !== 401)
        strange.push('the access token of the winner is alive');
      if (refresh && (await any?.refresh(refresh))?.body['error'] !== 'invalid_grant') {
        strange.push('the refresh token of the winner is alive');
      }
      return strange;
    },
  };
}

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

async function deviceRace(rig: Rig, person: Person): Promise<() => Promise<Round>> {
  const television = {
    client_name: 'Television',
    grant_types: [DEVICE_CODE, 'refresh_token'],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    token_endpoint_auth_method: 'none',
  };
  const tv = await openRelyingParty(rig, television, { dispatcher: rig.front });
  await tv.close();
  const at = await clientsOf(rig, tv.client);
  return async () => {
    const device = await openid.initiateDeviceAuthorization(tv.configuration, { scope: 'openid email' });
    await person.goto(device.verification_uri);
    person.fill('Code on the device', device.user_code);
    await person.press('Continue');
    await person.press('Yes, this is my device');
    if (person.page.buttons.includes('Allow')) await person.press('Allow');
    const form = { grant_type: DEVICE_CODE, device_code: device.device_code, client_id: tv.clientId };
    return family(at, client => client.post('/token', form));
  };
}

async function pushedRequest({ rig, app }: RaceGround, person: Person): Promise<Round> {
  const { searchParams } = await app.authorizationUrl();
  searchParams.delete('client_id');
  const url = await openid.buildAuthorizationUrlWithPAR(app.configuration, searchParams);
  const headers = { cookie: await person.jar.getCookieString(rig.issuer), accept: 'text/html' };
  const issued = async () => Number((await rig.place.db('authorization_codes').count())[0]?.['count']);
  const before = await issued();
  return {
    use: async dispatcher => {
      const answer = await fetch(url, { redirect: 'manual', headers, dispatcher });
      await answer.text();
      const location = answer.headers.get('location') ?? rig.issuer;
      return { status: answer.status, won: new URL(location, rig.issuer).searchParams.has('code') };
    },
    audit: async () => {
      const codes = (await issued()) - before;
      return codes === 1 ? [] : [`${codes} codes were issued`];
    },
  };
}

async function machineRaces(rig: Rig): Promise<readonly Race[]> {
  const keys = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(keys.publicKey);
  const common = { client_name: 'Machine', grant_types: ['client_credentials'], development: true };
  const asserting = await rig.registerClient({
    ...common,
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    jwks: { keys: [{ ...jwk, kid: 'one', use: 'sig' }] },
  });
  const proving = await rig.registerClient({ ...common, token_endpoint_auth_method: 'client_secret_post' });
  const at = await clientsOf(rig, proving);
  const ask = async (
    through: Through,
    form: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Attempt> => {
    const { status } = await at(through).post(
      '/token',
      { grant_type: 'client_credentials', ...form },
      headers,
    );
    return { status, won: status === 200 };
  };
  const sign = (claims: Readonly<Record<string, unknown>>, header: Readonly<Record<string, unknown>>) =>
    new SignJWT({ ...claims, jti: crypto.randomUUID(), iat: Math.floor(Date.now() / 1000) })
      .setProtectedHeader({ alg: 'ES256', ...header })
      .sign(keys.privateKey);
  const audit = async () => [];
  return [
    {
      name: 'DPoP jti',
      prepare: async () => {
        const { client_id, client_secret = '' } = proving;
        const proof = await sign({ htm: 'POST', htu: `${rig.issuer}/token` }, { typ: 'dpop+jwt', jwk });
        return {
          use: through => ask(through, { client_id, client_secret }, { DPoP: proof }),
          audit,
        };
      },
    },
    {
      name: 'client-assertion jti',
      prepare: async () => {
        const { client_id: id } = asserting;
        const exp = Math.floor(Date.now() / 1000) + 60;
        const assertion = await sign({ iss: id, sub: id, aud: rig.issuer, exp }, { kid: 'one' });
        const form = {
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: assertion,
        };
        return { use: through => ask(through, form), audit };
      },
    },
  ];
}
