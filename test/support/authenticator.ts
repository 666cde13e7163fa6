import { createHash, createSign, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** The bits of authenticator data (WebAuthn L3 §6.1). */
export const FLAGS = { UP: 0x01, UV: 0x04, BE: 0x08, BS: 0x10, AT: 0x40 } as const;

/** What a forged answer says differently from an honest one. */
export interface Forgery {
  readonly challenge?: string;
  readonly origin?: string;
  readonly rpId?: string;
  readonly type?: string;
  readonly crossOrigin?: boolean;
  readonly topOrigin?: string;
  readonly flags?: number;
  readonly counter?: number;
  readonly userHandle?: string | null;
  readonly credentialId?: string;
  /** Signs the attestation with the passkey itself, as a few authenticators do unasked. */
  readonly selfAttested?: boolean;
  readonly format?: string;
  readonly statement?: ReadonlyMap<string, Cbor>;
}

type Cbor = number | string | Buffer | readonly Cbor[] | ReadonlyMap<number | string, Cbor>;

/** A software authenticator that holds one passkey and can be told to lie. */
export interface Authenticator {
  readonly credentialId: string;
  /** Answers creation options. */
  create(options: CreationOptions, forgery?: Forgery): object;
  /** Answers request options; counts one on unless told otherwise. */
  get(options: { readonly challenge: string }, forgery?: Forgery): object;
}

interface CreationOptions {
  readonly challenge: string;
  readonly user: { readonly id: string };
}

/** Makes an authenticator for pages of `origin`; a synced passkey of ES256 unless told otherwise. */
export function openAuthenticator(
  origin: string,
  settings: {
    readonly algorithm?: -7 | -8 | -257 | -35;
    readonly aaguid?: string;
    readonly counts?: boolean;
  } = {},
): Authenticator {
  const { algorithm = -7, aaguid = 'fbfc3007-154e-4ecc-8c0b-6e020557d7bd', counts = false } = settings;
  const keys = keyPair(algorithm);
  const credentialId = randomBytes(16).toString('base64url');
  const honest = FLAGS.UP | FLAGS.UV | FLAGS.BE | FLAGS.BS;
  let counter = 0;
  let userHandle = '';

  const clientData = (type: string, challenge: string, forgery: Forgery) =>
    Buffer.from(
      JSON.stringify({
        type: forgery.type ?? type,
        challenge: forgery.challenge ?? challenge,
        origin: forgery.origin ?? origin,
        crossOrigin: forgery.crossOrigin ?? false,
        ...(forgery.topOrigin ? { topOrigin: forgery.topOrigin } : {}),
      }),
    );
  const authenticatorData = (flags: number, forgery: Forgery, attested = Buffer.alloc(0)) => {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(forgery.counter ?? counter);
    const rpIdHash = sha256(Buffer.from(forgery.rpId ?? new URL(origin).hostname));
    return Buffer.concat([rpIdHash, Buffer.from([flags]), count, attested]);
  };

  return {
    credentialId,
    create: (options, forgery = {}) => {
      userHandle = options.user.id;
      const id = Buffer.from(forgery.credentialId ?? credentialId, 'base64url');
      const length = Buffer.alloc(2);
      length.writeUInt16BE(id.length);
      const aaguidBytes = Buffer.from(aaguid.replaceAll('-', ''), 'hex');
      const attested = Buffer.concat([aaguidBytes, length, id, cbor(coseKey(keys.publicKey, algorithm))]);
      const authData = authenticatorData((forgery.flags ?? honest) | FLAGS.AT, forgery, attested);
      const client = clientData('webauthn.create', options.challenge, forgery);
      const proof = new Map<string, Cbor>([
        ['alg', algorithm],
        ['sig', signed(keys.privateKey, algorithm, Buffer.concat([authData, sha256(client)]))],
      ]);
      const attestation = new Map<string, Cbor>([
        ['fmt', forgery.format ?? (forgery.selfAttested ? 'packed' : 'none')],
        ['attStmt', forgery.statement ?? (forgery.selfAttested ? proof : new Map())],
        ['authData', authData],
      ]);
      return credential(forgery.credentialId ?? credentialId, {
        clientDataJSON: client.toString('base64url'),
        attestationObject: cbor(attestation).toString('base64url'),
        transports: ['internal', 'hybrid'],
      });
    },
    get: (options, forgery = {}) => {
      if (counts) counter += 1;
      const client = clientData('webauthn.get', options.challenge, forgery);
      const authData = authenticatorData(forgery.flags ?? honest, forgery);
      const signature = signed(keys.privateKey, algorithm, Buffer.concat([authData, sha256(client)]));
      return credential(forgery.credentialId ?? credentialId, {
        clientDataJSON: client.toString('base64url'),
        authenticatorData: authData.toString('base64url'),
        signature: signature.toString('base64url'),
        userHandle: forgery.userHandle === undefined ? userHandle : forgery.userHandle,
      });
    },
  };
}

function credential(id: string, response: object): object {
  return {
    id,
    rawId: id,
    type: 'public-key',
    authenticatorAttachment: 'platform',
    clientExtensionResults: {},
    response,
  };
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function keyPair(algorithm: number): { publicKey: KeyObject; privateKey: KeyObject } {
  if (algorithm === -8) return generateKeyPairSync('ed25519');
  if (algorithm === -257) return generateKeyPairSync('rsa', { modulusLength: 2048 });
  return generateKeyPairSync('ec', { namedCurve: algorithm === -35 ? 'P-384' : 'P-256' });
}

function signed(key: KeyObject, algorithm: number, bytes: Buffer): Buffer {
  if (algorithm === -8) return sign(null, bytes, key);
  return createSign(algorithm === -35 ? 'sha384' : 'sha256')
    .update(bytes)
    .sign(key);
}

/** A public key as COSE writes it (RFC 9053). */
function coseKey(key: KeyObject, algorithm: number): Map<number, Cbor> {
  const jwk = key.export({ format: 'jwk' });
  const bytes = (part: string | undefined) => Buffer.from(part ?? '', 'base64url');
  const common: [number, Cbor][] = [[3, algorithm]];
  if (algorithm === -8) return new Map([[1, 1], ...common, [-1, 6], [-2, bytes(jwk.x)]]);
  if (algorithm === -257) return new Map([[1, 3], ...common, [-1, bytes(jwk.n)], [-2, bytes(jwk.e)]]);
  return new Map([
    [1, 2],
    ...common,
    [-1, algorithm === -35 ? 2 : 1],
    [-2, bytes(jwk.x)],
    [-3, bytes(jwk.y)],
  ]);
}

/** Just enough CBOR (RFC 8949) for the above. */
function cbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string')
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (value instanceof Map) {
    return Buffer.concat([
      head(5, value.size),
      ...[...value].flatMap(([key, entry]) => [cbor(key), cbor(entry)]),
    ]);
  }
  const items = value as readonly Cbor[];
  return Buffer.concat([head(4, items.length), ...items.map(cbor)]);
}

function head(major: number, count: number): Buffer {
  if (count < 24) return Buffer.from([(major << 5) | count]);
  if (count < 0x100) return Buffer.from([(major << 5) | 24, count]);
  return Buffer.from([(major << 5) | 25, count >> 8, count & 0xff]);
}
