import { z } from 'zod';

/** Who asks for a passkey: this installation, and nothing that a request says. */
export interface RelyingParty {
  readonly id: string;
  readonly name: string;
  readonly origin: string;
}

/** The relying party of an issuer. */
export function relyingPartyOf(issuer: URL, name: string): RelyingParty {
  return { id: issuer.hostname, name, origin: issuer.origin };
}

/** A passkey of an account (WebAuthn L3 §4, credential record). */
export interface Passkey {
  readonly accountId: string;
  /** The account that it was made for, where that became part of this one: what the passkey itself says. */
  readonly madeFor?: string | undefined;
  readonly id: string;
  readonly credentialId: string;
  readonly publicKey: Buffer;
  readonly signCount: number;
  readonly transports: readonly string[];
  readonly aaguid: string;
  readonly backupEligible: boolean;
  readonly backedUp: boolean;
  readonly userVerified: boolean;
  readonly name: string;
  readonly addedAt: Date;
  readonly lastUsedAt: Date | null;
  /** By which recovery it is suspended: it signs nobody in then. */
  readonly suspendedFor: string | null;
}

/** Why an answer to a challenge is not taken; all of them look the same to whoever sent it. */
export type PasskeyRefusal =
  | 'malformed'
  | 'challenge'
  | 'unknown_passkey'
  | 'wrong_owner'
  | 'not_verified'
  | 'backup_flags'
  | 'suspended'
  | 'counter';

/** An answer that was not taken, and whose passkey it named, if that is known. */
export interface PasskeyRefused {
  readonly outcome: 'refused';
  readonly reason: PasskeyRefusal;
  readonly accountId?: string;
  readonly passkeyId?: string;
  /** By which recovery it is suspended. */
  readonly suspendedFor?: string;
}

const PROVIDERS: Readonly<Record<string, string>> = {
  'ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4': 'Google Password Manager',
  'fbfc3007-154e-4ecc-8c0b-6e020557d7bd': 'iCloud Keychain',
  'dd4ec289-e01d-41c9-bb89-70fa845d4bf2': 'iCloud Keychain',
  '08987058-cadc-4b81-b6e1-30de50dcbe96': 'Windows Hello',
  '9ddd1817-af5a-4672-a2b9-3e3dd95000a9': 'Windows Hello',
  '6028b017-b1d4-4c02-b4b3-afcdafc96bb2': 'Windows Hello',
  '53414d53-554e-4700-0000-000000000000': 'Samsung Pass',
  'bada5566-a7aa-401f-bd96-45619a55120d': '1Password',
  'd548826e-79b4-db40-a3d8-11116f7e8349': 'Bitwarden',
  '531126d6-e717-415c-9320-3d9aa6981239': 'Dashlane',
  '50726f74-6f6e-5061-7373-50726f746f6e': 'Proton Pass',
  'b84e4048-15dc-4dd0-8640-f4f60813c8af': 'NordPass',
  '0ea242b4-43c4-4a1b-8b17-dd6d0b6baec6': 'Keeper',
  'f3809540-7f14-49c1-a8b3-8f813b225541': 'Enpass',
  'fdb141b2-5d84-443e-8a35-4698c205a502': 'KeePassXC',
  'b78a0a55-6ef8-d246-a042-ba0f6d55050c': 'LastPass',
  'adce0002-35bc-c60a-648b-0b25f1f05503': 'Chrome on Mac',
  '771b48fd-d3d4-4f74-9232-fc157ab0507a': 'Edge on Mac',
};

/** What a passkey is called until its owner gives it a name: who keeps it, where that is known. */
export function passkeyName(aaguid: string): string {
  return PROVIDERS[aaguid.toLowerCase()] ?? 'Passkey';
}

const LONGEST_NAME = 60;

/** A name that somebody gives a passkey, on one line; what is wrong about it instead, if something is. */
export function namedPasskey(
  typed: string,
): { readonly name: string } | { readonly wrong: 'missing' | 'too_long' } {
  const line = typed.normalize('NFC').replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu, ' ');
  const name = line.replace(/\s+/g, ' ').trim();
  if (name === '') return { wrong: 'missing' };
  return [...name].length > LONGEST_NAME ? { wrong: 'too_long' } : { name };
}

const base64url = (longest: number) =>
  z
    .string()
    .regex(/^[A-Za-z0-9_-]+$/)
    .max(longest);
const credential = { id: base64url(1400), rawId: base64url(1400), type: z.literal('public-key') };
const clientDataJSON = base64url(8_192);

const attestationSchema = z.object({
  ...credential,
  response: z.object({
    clientDataJSON,
    attestationObject: base64url(65_536),
    transports: z.array(z.string().max(32)).max(16).optional(),
  }),
});

const assertionSchema = z.object({
  ...credential,
  response: z.object({
    clientDataJSON,
    authenticatorData: base64url(8_192),
    signature: base64url(8_192),
    userHandle: base64url(128).nullish(),
  }),
});

const clientDataSchema = z.object({
  challenge: base64url(256),
  crossOrigin: z.literal(false).optional(),
  topOrigin: z.undefined().optional(),
});

/** What a browser sends after `navigator.credentials.create`. */
export type Attestation = z.infer<typeof attestationSchema>;
/** What a browser sends after `navigator.credentials.get`. */
export type Assertion = z.infer<typeof assertionSchema>;

/** Reads an attestation and the challenge it answers; undefined for anything else, and for a foreign frame's. */
export function readAttestation(body: unknown): { answer: Attestation; challenge: string } | undefined {
  return readAnswer(attestationSchema, body);
}

/** Reads an assertion and the challenge it answers; undefined for anything else, and for a foreign frame's. */
export function readAssertion(body: unknown): { answer: Assertion; challenge: string } | undefined {
  return readAnswer(assertionSchema, body);
}

function readAnswer<T extends { response: { clientDataJSON: string } }>(schema: z.ZodType<T>, body: unknown) {
  const answer = schema.safeParse(body);
  if (!answer.success) return undefined;
  const client = clientDataSchema.safeParse(parseJson(answer.data.response.clientDataJSON));
  return client.success ? { answer: answer.data, challenge: client.data.challenge } : undefined;
}

function parseJson(encoded: string): unknown {
  try {
    return JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Keeps of the reported transports what can be one. */
export function knownTransports(transports: readonly string[] | undefined): readonly string[] {
  return [...new Set(transports ?? [])].filter(transport => /^[a-z-]{2,20}$/.test(transport)).slice(0, 8);
}
