import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import {
  type ClientRules,
  checkMetadata,
  metadataRefusal,
  metadataSchema,
} from '../../../src/domain/clients/clients.js';

const PRODUCTION: ClientRules = { issuer: new URL('https://id.example.com'), allowPrivateNetwork: false };
const LOOPBACK: ClientRules = { issuer: new URL('http://localhost:3000'), allowPrivateNetwork: false };
const RIG: ClientRules = { issuer: new URL('http://localhost:3000'), allowPrivateNetwork: true };
const OPERATOR = { operator: true };
const WEB = { redirect_uris: ['https://app.example.com/back'] };

function problems(
  input: unknown,
  rules = PRODUCTION,
  source: Parameters<typeof checkMetadata>[2] = OPERATOR,
): readonly string[] {
  const checked = checkMetadata(input, rules, source);
  return checked.ok ? [] : checked.issues.map(({ field, message }) => `${field} ${message}`);
}

function kept(input: unknown, rules = PRODUCTION) {
  const checked = checkMetadata(input, rules, OPERATOR);
  if (!checked.ok) throw metadataRefusal(checked.issues);
  return checked;
}

const redirect = (uri: string, more = {}, rules = PRODUCTION) =>
  problems({ redirect_uris: [uri], ...more }, rules);
const NATIVE = { application_type: 'native', token_endpoint_auth_method: 'none' };

describe('an address that may be registered', () => {
  test.each([
    'https://app.example.com/back',
    'https://app.example.com',
    'https://app.example.com/',
    'https://app.example.com:8443/back',
    'https://app.example.com:443/back',
    'https://app.example.com/back?tenant=a&next=%2Fhome',
    'https://app.example.com/a/b.c/d-e_f~g',
    'https://xn--mnchen-3ya.example/back',
    'https://app.example.com/back;v=1',
    'https://app.example.com/a%20b',
    'https://93.184.215.14/back',
    'https://[2606:4700::1111]/back',
  ])('web: %s', uri => {
    expect(redirect(uri)).toEqual([]);
    expect(kept({ redirect_uris: [uri] }).metadata.redirect_uris).toEqual([uri]);
  });

  test.each([
    'http://127.0.0.1/back',
    'http://127.0.0.1:49152/back',
    'http://[::1]/back',
    'http://localhost/back',
    'com.example.app:/signed-in',
    'com.example.app://signed-in',
    'com.googleusercontent.apps.123-abc:/oauth2redirect',
    'https://app.example.com/claimed',
  ])('native: %s', uri => {
    expect(redirect(uri, NATIVE)).toEqual([]);
  });

  test.each(['http://localhost:4000/back', 'http://127.0.0.1:4000/back', 'http://[::1]:4000/back'])(
    'development, on a loopback issuer: %s',
    uri => {
      expect(redirect(uri, { development: true }, LOOPBACK)).toEqual([]);
      expect(redirect(uri, {}, LOOPBACK)).toEqual([]);
      expect(redirect(uri, { development: false }, LOOPBACK)).not.toEqual([]);
      expect(redirect(uri, { development: true })).not.toEqual([]);
      expect(redirect(uri, {}, RIG)).toEqual([]);
    },
  );
});

describe('C27, C47: an address that may not', () => {
  test.each([
    'http://app.example.com/back',
    'http://localhost/back',
    'http://127.0.0.1/back',
    'http://localhost.evil.example/back',
    'https://localhost/back',
    'https://localhost./back',
    'https://sub.localhost/back',
    'https://127.0.0.1/back',
    'https://127.1/back',
    'https://0/back',
    'https://2130706433/back',
    'https://0x7f.1/back',
    'https://[::1]/back',
    'https://[::ffff:127.0.0.1]/back',
    'https://10.0.0.1/back',
    'https://192.168.1.1/back',
    'https://172.16.0.1/back',
    'https://169.254.169.254/latest/meta-data',
    'https://100.64.0.1/back',
    'https://[fe80::1]/back',
    'https://[fd00::1]/back',
    'https://intranet/back',
    'https://printer.local/back',
    'https://metadata.google.internal/back',
    'https://app.example.com/back#',
    'https://app.example.com/back#fragment',
    'https://user:secret@app.example.com/back',
    'https://user@app.example.com/back',
    'https://@app.example.com/back',
    'https://app.example.com@@evil.example/back',
    'https://app.example.com%40evil.example/back',
    'https://*.example.com/back',
    'https://app.example.com/*',
    'https://app.example.com/back?x=*',
    'https://app.example.com/back\n',
    'https://app.example.com/back\u0000',
    'https://app.example.com/ba ck',
    'https://app.example.com/b\tack',
    'https://app.example.com/b\u00e4ck',
    'https://\u0430pp.example.com/back',
    'https://app.example.com\\@evil.example/back',
    'https:\\\\app.example.com/back',
    'https:/app.example.com/back',
    'https:app.example.com/back',
    'https:///app.example.com/back',
    'HTTPS://app.example.com/back',
    'https://APP.example.com/back',
    'https://app.example.com./../back',
    'https://app.example.com/a/../back',
    'https://app.example.com/a/./back',
    'https://app.example.com/..;/back',
    'https://app.example.com/a/..;x=1/back',
    'https://app.example.com/%2e%2e/back',
    'https://app.example.com/%252e%252e/back',
    'https://app.example.com/a%2fb',
    'https://app.example.com/a%5cb',
    'https://app.example.com/a%00b',
    'https://app.example.com/a%0d%0ab',
    'https://app.example.com/back?x=%0d%0aSet-Cookie:x',
    'https://app.example.com/%zz',
    'https://app.%65xample.com/back',
    'https://app_x.example.com/back',
    'https://app..example.com/back',
    'https://app.example.com:99999/back',
    'https://app.example.com/<script>',
    'https://app.example.com/"onload=x',
    'javascript:alert(1)',
    'JavaScript:alert(1)',
    'jAvAsCrIpT://app.example.com/%0aalert(1)',
    ' javascript:alert(1)',
    'java\nscript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'DATA:text/html,x',
    'vbscript:msgbox(1)',
    'VBScript:x',
    'file:///etc/passwd',
    'FILE:///etc/passwd',
    'blob:https://app.example.com/x',
    'about:blank',
    'ftp://app.example.com/back',
    'ws://app.example.com/back',
    'mailto:a@example.com',
    'urn:ietf:wg:oauth:2.0:oob',
    'com.example.app:/signed-in',
    '//app.example.com/back',
    '/back',
    'app.example.com/back',
    'null',
    '',
    `https://app.example.com/${'x'.repeat(2048)}`,
  ])('web: %j', uri => {
    expect(redirect(uri)).not.toEqual([]);
    expect(problems({ ...WEB, post_logout_redirect_uris: [uri] })).not.toEqual([]);
  });

  test.each([
    'myapp:/signed-in',
    'myapp://signed-in',
    'com.example.app:signed-in',
    'app.example.com:443/back',
    'COM.example.app:/signed-in'.replace('COM', 'Com'),
    'com.example.app://user@host/back',
    'com.example.app:/a/../b',
    'com.example.app:/back#x',
    'com.example.app:/*',
    'http://192.168.1.1/back',
    'http://app.example.com/back',
    'http://127.0.0.2/back',
    'http://2130706433/back',
    'http://127.0.0.1@evil.example/back',
    'http://localhost.evil.example/back',
    'https://localhost/back',
    'https://127.0.0.1/back',
    'javascript:alert(1)',
    'JAVASCRIPT:alert(1)',
    'data:text/html,x',
    'file:///x',
    'intent://x',
  ])('native: %j', uri => {
    expect(redirect(uri, NATIVE)).not.toEqual([]);
  });

  test.each([
    'client_uri',
    'logo_uri',
    'policy_uri',
    'tos_uri',
    'jwks_uri',
    'sector_identifier_uri',
    'initiate_login_uri',
    'backchannel_logout_uri',
    'command_endpoint',
    'risc_endpoint',
    'webhook_uri',
  ])('as %s', field => {
    const beside = field === 'command_endpoint' ? { commands_supported: ['delete'] } : {};
    expect(problems({ ...WEB, ...beside, [field]: 'https://app.example.com/x' })).toEqual([]);
    const bad = [
      'http://app.example.com/x',
      'https://169.254.169.254/',
      'https://10.0.0.1/',
      'https://[::ffff:10.0.0.1]/',
    ];
    bad.push(
      'https://localhost/',
      'http://localhost/',
      'https://a@app.example.com/',
      'javascript:alert(1)',
      'com.example.app:/x',
    );
    bad.push('https://app.example.com/x#y', 'https://app.example.com/"><img src=x onerror=alert(1)>', '');
    for (const uri of bad) {
      const found = problems({ ...WEB, ...NATIVE, [field]: uri });
      expect([uri, found.filter(line => line.startsWith(field)).length]).toEqual([uri, 1]);
    }
  });

  test('what we fetch ourselves is on the port of a web server', () => {
    expect(problems({ ...WEB, jwks_uri: 'https://app.example.com:5432/keys' })).toEqual([
      'jwks_uri must not use port 5432',
    ]);
    expect(problems({ ...WEB, backchannel_logout_uri: 'http://127.0.0.1:4000/bye' }, LOOPBACK)).toHaveLength(
      1,
    );
    expect(problems({ ...WEB, backchannel_logout_uri: 'http://127.0.0.1:4000/bye' }, RIG)).toEqual([]);
  });

  test.each([
    'https://app.example.com/',
    'https://app.example.com/x',
    'null',
    '*',
    'https://*.example.com',
    'http://app.example.com',
  ])('as an origin: %s', origin => {
    expect(problems({ ...WEB, allowed_origins: [origin] })).not.toEqual([]);
    expect(
      problems({ ...WEB, allowed_origins: ['https://app.example.com', 'https://app.example.com:8443'] }),
    ).toEqual([]);
  });
});

describe('metadata', () => {
  test('is kept with every default written out', () => {
    expect(kept({ ...WEB, client_name: '  Caf\u0065\u0301  ' })).toEqual({
      ok: true,
      firstParty: false,
      metadata: {
        client_name: 'Caf\u00e9',
        redirect_uris: ['https://app.example.com/back'],
        application_type: 'web',
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
        id_token_signed_response_alg: 'RS256',
        subject_type: 'public',
        require_pkce: true,
        scope: 'openid profile email address phone',
      },
    });
  });

  test('of a client without people has a scope too, for the engine gives everything to one that has none', () => {
    const { metadata } = kept({ grant_types: ['client_credentials'] });
    expect(metadata).toMatchObject({ scope: 'openid', response_types: [], redirect_uris: [] });
    expect(problems({ ...WEB, scope: '' })).toHaveLength(1);
  });

  test('says all that is wrong with it at once', () => {
    const found = problems({
      client_name: '<b>Bank</b>',
      redirect_uris: ['http://app.example.com/', 'https://a@b.example.com/'],
      response_types: ['token'],
      id_token_signed_response_alg: 'HS256',
      logo_uri: 'http://169.254.169.254/',
      contacts: ['nobody'],
      default_max_age: -1,
      frobnicate: true,
      client_secret: 'mine',
    });
    const fields = found.map(line => line.split(' ')[0]);
    expect(fields.sort()).toEqual([
      'client_name',
      'client_secret',
      'contacts[0]',
      'default_max_age',
      'frobnicate',
      'id_token_signed_response_alg',
      'logo_uri',
      'redirect_uris[0]',
      'redirect_uris[1]',
      'response_types[0]',
    ]);
  });

  test.each([null, [], 'text', 7, undefined])('is an object, not %j', input => {
    expect(problems(input)).toEqual(['metadata must be a JSON object']);
  });

  test('keeps nobody waiting on a prototype', () => {
    expect(
      problems(JSON.parse('{"__proto__":{"x":1},"redirect_uris":["https://app.example.com/"]}')),
    ).toHaveLength(1);
    expect(problems({ ...WEB, constructor: 1 })).toHaveLength(1);
  });

  const key = (type: 'ec' | 'rsa' | 'ed25519', options = {}) => {
    const pair = generateKeyPairSync(type as 'ec', { namedCurve: 'P-256', ...options });
    return {
      open: pair.publicKey.export({ format: 'jwk' }),
      closed: pair.privateKey.export({ format: 'jwk' }),
    };
  };
  const JWT = { ...WEB, token_endpoint_auth_method: 'private_key_jwt' };

  test('proves itself by public keys alone', () => {
    const ec = key('ec');
    expect(problems({ ...JWT, jwks: { keys: [ec.open] } })).toEqual([]);
    expect(problems({ ...JWT, jwks: { keys: [key('ed25519').open] } })).toEqual([]);
    expect(problems({ ...JWT, jwks: { keys: [key('rsa', { modulusLength: 2048 }).open] } })).toEqual([]);
    expect(
      problems({
        ...JWT,
        jwks_uri: 'https://app.example.com/keys',
        token_endpoint_auth_signing_alg: 'ES256',
      }),
    ).toEqual([]);
    expect(problems({ ...JWT, jwks: { keys: [ec.closed] } })[0]).toContain('private key');
    expect(problems({ ...JWT, jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } })).toHaveLength(1);
    expect(
      problems({ ...JWT, jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }] } }),
    ).toHaveLength(1);
    expect(problems({ ...JWT, jwks: { keys: [key('rsa', { modulusLength: 1024 }).open] } })).toHaveLength(1);
    expect(
      problems({ ...JWT, jwks: { keys: [ec.open] }, jwks_uri: 'https://app.example.com/keys' }),
    ).toHaveLength(1);
    expect(problems(JWT)).toHaveLength(1);
  });

  test.each([
    ['none for ID tokens', { id_token_signed_response_alg: 'none' }],
    ['HS512 for userinfo', { userinfo_signed_response_alg: 'HS512' }],
    ['a shared-secret assertion', { token_endpoint_auth_method: 'client_secret_jwt' }],
    ['a TLS certificate', { token_endpoint_auth_method: 'tls_client_auth' }],
    ['an assertion algorithm without an assertion', { token_endpoint_auth_signing_alg: 'ES256' }],
    ['the implicit grant', { grant_types: ['implicit'] }],
    ['the password grant', { grant_types: ['password'] }],
    ['an ID token from the front', { response_types: ['id_token'] }],
    ['a grant without its response type', { response_types: [] }],
    ['a refresh grant alone', { grant_types: ['refresh_token'] }],
    [
      'client credentials without any',
      { grant_types: ['client_credentials'], token_endpoint_auth_method: 'none' },
    ],
    ['no PKCE for a public client', { token_endpoint_auth_method: 'none', require_pkce: false }],
    ['no PKCE for a native client', { application_type: 'native', require_pkce: false }],
    ['no address to come back to', { redirect_uris: [] }],
    ['a scope that is not offered', { scope: 'openid admin' }],
    ['a scope with two spaces', { scope: 'openid  email' }],
    [
      'sectors that cannot be told apart',
      { subject_type: 'pairwise', redirect_uris: ['https://a.example.com/', 'https://b.example.com/'] },
    ],
    ['a pairwise subject of nobody', { subject_type: 'pairwise', grant_types: ['client_credentials'] }],
    ['an unknown acr', { default_acr_values: ['gold'] }],
    ['a name of nothing', { client_name: '   ' }],
    ['a name that turns round', { client_name: 'Bank\u202eknaB' }],
    ['a name of two lines', { client_name: 'Bank\nTrusted' }],
    ['a name with markup', { client_name: '"><img src=x onerror=alert(1)>' }],
    ['a long name', { client_name: 'x'.repeat(101) }],
    ['development where it is not', { development: true }],
  ])('may not ask for %s', (_what, more) => {
    expect(problems({ ...WEB, ...more })).toHaveLength(1);
  });

  test('may do without PKCE when it is a confidential web client', () => {
    expect(problems({ ...WEB, require_pkce: false })).toEqual([]);
  });

  test('may be a device without a browser, which is sent nowhere back', () => {
    const grants = ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'];
    const device = { client_name: 'TV', grant_types: grants, token_endpoint_auth_method: 'none' };
    expect(problems(device)).toEqual([]);
  });

  test("leaves an operator's decisions to an operator, and forgets what it does not know when told so", () => {
    const stranger = { operator: false, unknownMembers: 'ignore' } as const;
    const input = { ...WEB, first_party: true, development: true, frobnicate: 1 };
    const scopes = { ...LOOPBACK, scopes: ['operator:report:read'] };
    const theirs = { grant_types: ['client_credentials'], scope: 'operator:report:read' };
    expect(problems(theirs, scopes, stranger)).toEqual(['scope has a scope that only an operator may give']);
    expect(problems(theirs, scopes)).toEqual([]);
    expect(problems(input, LOOPBACK, stranger)).toEqual([
      'first_party may only be set by an operator',
      'development may only be set by an operator',
    ]);
    expect(problems({ ...WEB, frobnicate: 1 }, PRODUCTION, stranger)).toEqual([]);
    expect(kept({ ...WEB, first_party: true })).toMatchObject({ firstParty: true });
    expect(kept({ ...WEB, first_party: true }).metadata).not.toHaveProperty('first_party');
  });

  test('is refused by the code that RFC 7591 has for it', () => {
    const refused = (input: object) => {
      const checked = checkMetadata(input, PRODUCTION, OPERATOR);
      return checked.ok ? undefined : metadataRefusal(checked.issues).code;
    };
    expect(refused({ redirect_uris: ['http://app.example.com/'] })).toBe('invalid_redirect_uri');
    expect(refused({ redirect_uris: ['http://app.example.com/'], scope: 'x' })).toBe(
      'invalid_client_metadata',
    );
  });

  test('has a schema that can be shown', () => {
    const schema = z.toJSONSchema(metadataSchema, { io: 'input' });
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(schema).not.toHaveProperty('required');
  });
});
