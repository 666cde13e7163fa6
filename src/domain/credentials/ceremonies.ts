import { randomBytes } from 'node:crypto';
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  type VerifiedAuthenticationResponse,
  type VerifiedRegistrationResponse,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { decodeAttestationObject } from '@simplewebauthn/server/helpers';
import { parse as parseUuid, v7 as uuidv7 } from 'uuid';
import { digest } from '../../platform/crypto/tokens.js';
import type { Db } from '../../platform/storage/db.js';
import {
  type Assertion,
  type Attestation,
  knownTransports,
  type Passkey,
  type PasskeyRefused,
  passkeyName,
  type RelyingParty,
  readAssertion,
  readAttestation,
} from './passkey.js';
import { type ChallengePurpose, insertChallenge, listPasskeys, takeChallenge } from './store.js';

/** ES256, EdDSA and RS256, as COSE numbers. */
const ALGORITHMS = [-7, -8, -257];
const CHALLENGE_LIFETIME_MS = 600_000;

/** For whom a passkey is to be made, and in which flow of the browser. */
export interface RegistrationRequest {
  readonly rp: RelyingParty;
  /** The browser's flow, an opaque id: only there can the challenge be answered. */
  readonly binding: string;
  /** Who the passkey will belong to; at sign-up the id that the account will get. */
  readonly accountId: string;
  readonly userName: string;
  readonly displayName: string;
  /** Made without the person's gesture after a password sign-in (conditional create): no flag is asked for then. */
  readonly upgrade?: boolean;
}

/** Makes a challenge for a new passkey and says to the browser how it should be. */
export async function beginRegistration(
  db: Db,
  request: RegistrationRequest,
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const purpose = request.upgrade ? 'upgrade' : 'registration';
  const existing = await listPasskeys(db, request.accountId);
  const options = await generateRegistrationOptions({
    rpName: request.rp.name,
    rpID: request.rp.id,
    userID: new Uint8Array(parseUuid(request.accountId)),
    userName: request.userName,
    userDisplayName: request.displayName,
    challenge: new Uint8Array(randomBytes(32)),
    timeout: CHALLENGE_LIFETIME_MS,
    attestationType: 'none',
    authenticatorSelection: {
      residentKey: 'required',
      userVerification: request.upgrade ? 'preferred' : 'required',
    },
    excludeCredentials: existing.map(passkey => ({
      id: passkey.credentialId,
      transports: [...passkey.transports],
    })),
    supportedAlgorithmIDs: ALGORITHMS,
  });
  await keepChallenge(db, options.challenge, purpose, request.binding, request.accountId);
  return options;
}

/** Makes a challenge for a sign-in; the person picks the passkey, so that nobody has to say who they are. */
export async function beginAuthentication(
  db: Db,
  request: { readonly rp: RelyingParty; readonly binding: string },
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const options = await generateAuthenticationOptions({
    rpID: request.rp.id,
    challenge: new Uint8Array(randomBytes(32)),
    timeout: CHALLENGE_LIFETIME_MS,
    userVerification: 'required',
  });
  await keepChallenge(db, options.challenge, 'authentication', request.binding, null);
  return options;
}

/** A browser's answer, in the flow that it came in. */
export interface PasskeyAnswer {
  readonly rp: RelyingParty;
  readonly binding: string;
  /** The JSON that the browser sent, unread. */
  readonly response: unknown;
  /** A new passkey that was made without the person's gesture is taken as well. */
  readonly upgrade?: boolean;
}

/** A new passkey that was verified and is not kept yet. */
export type CheckedRegistration =
  | {
      readonly outcome: 'verified';
      readonly passkey: Omit<Passkey, 'addedAt' | 'lastUsedAt' | 'suspendedFor'>;
    }
  | PasskeyRefused;

/** Uses the challenge up and verifies the new passkey; `addPasskey` then keeps it. */
export async function checkRegistration(db: Db, answered: PasskeyAnswer): Promise<CheckedRegistration> {
  const read = readAttestation(answered.response);
  if (!read) return { outcome: 'refused', reason: 'malformed' };
  const taken = await takeChallenge(db, {
    id: digest(read.challenge),
    purposes: answered.upgrade ? ['registration', 'upgrade'] : ['registration'],
    binding: answered.binding,
    credentialId: read.answer.id,
  });
  if (!taken?.subject) return { outcome: 'refused', reason: 'challenge' };
  const upgrade = taken.purpose === 'upgrade';
  const info = await verifyAttestation(answered.rp, read.answer, read.challenge, upgrade).catch(
    () => undefined,
  );
  if (!info) return { outcome: 'refused', reason: 'not_verified', accountId: taken.subject };
  const passkey = {
    accountId: taken.subject,
    id: uuidv7(),
    credentialId: info.credential.id,
    publicKey: Buffer.from(info.credential.publicKey),
    signCount: info.credential.counter,
    transports: knownTransports(read.answer.response.transports),
    aaguid: info.aaguid,
    backupEligible: info.credentialDeviceType === 'multiDevice',
    backedUp: info.credentialBackedUp,
    userVerified: info.userVerified,
    name: passkeyName(info.aaguid),
  };
  return { outcome: 'verified', passkey };
}

/** A passkey whose signature was verified and whose use is not on record yet: nobody is signed in by this alone. */
export type CheckedAuthentication =
  | {
      readonly outcome: 'verified';
      readonly passkey: Passkey;
      readonly signCount: number;
      readonly backedUp: boolean;
    }
  | PasskeyRefused;

/** Uses the challenge up and verifies who answered it (WebAuthn L3 §7.2); `usePasskey` then decides. */
export async function checkAuthentication(db: Db, answered: PasskeyAnswer): Promise<CheckedAuthentication> {
  const read = readAssertion(answered.response);
  if (!read) return { outcome: 'refused', reason: 'malformed' };
  const taken = await takeChallenge(db, {
    id: digest(read.challenge),
    purposes: ['authentication'],
    binding: answered.binding,
    credentialId: read.answer.id,
  });
  if (!taken) return { outcome: 'refused', reason: 'challenge' };
  const { passkey } = taken;
  if (!passkey) return { outcome: 'refused', reason: 'unknown_passkey' };
  const refuse = (reason: PasskeyRefused['reason']): PasskeyRefused => {
    return { outcome: 'refused', reason, accountId: passkey.accountId, passkeyId: passkey.id };
  };
  const handle = passkeyUserId(passkey.madeFor ?? passkey.accountId);
  if (read.answer.response.userHandle !== handle) return refuse('wrong_owner');
  const info = await verifyAssertion(answered.rp, read.answer, read.challenge, passkey).catch(
    () => undefined,
  );
  if (!info) return refuse('not_verified');
  if ((info.credentialDeviceType === 'multiDevice') !== passkey.backupEligible) return refuse('backup_flags');
  const counts = info.newCounter > 0 || passkey.signCount > 0;
  if (counts && info.newCounter <= passkey.signCount) return refuse('counter');
  /* Known to be theirs by now: that may stop what has suspended it, and signs nobody in. */
  if (passkey.suspendedFor !== null) return { ...refuse('suspended'), suspendedFor: passkey.suspendedFor };
  return { outcome: 'verified', passkey, signCount: info.newCounter, backedUp: info.credentialBackedUp };
}

function keepChallenge(
  db: Db,
  challenge: string,
  purpose: ChallengePurpose,
  binding: string,
  accountId: string | null,
): Promise<void> {
  return insertChallenge(db, { id: digest(challenge), purpose, binding, accountId });
}

/** The bytes of the account's id, as passkeys know whose they are: random enough, and nothing that says who it is. */
export function passkeyUserId(accountId: string): string {
  return Buffer.from(parseUuid(accountId)).toString('base64url');
}

type RegistrationInfo = NonNullable<VerifiedRegistrationResponse['registrationInfo']>;

async function verifyAttestation(
  rp: RelyingParty,
  answer: Attestation,
  expectedChallenge: string,
  upgrade: boolean,
): Promise<RegistrationInfo | undefined> {
  const { clientDataJSON, attestationObject } = answer.response;
  // None was asked for; one with certificates would have the library read them and fetch their revocation lists.
  const statement = decodeAttestationObject(new Uint8Array(Buffer.from(attestationObject, 'base64url')));
  const format = statement.get('fmt');
  if (format !== 'none' && (format !== 'packed' || statement.get('attStmt').get('x5c'))) return undefined;
  const { registrationInfo } = await verifyRegistrationResponse({
    response: { ...answer, response: { clientDataJSON, attestationObject }, clientExtensionResults: {} },
    expectedChallenge,
    expectedOrigin: rp.origin,
    expectedRPID: rp.id,
    requireUserPresence: !upgrade,
    requireUserVerification: !upgrade,
    supportedAlgorithmIDs: ALGORITHMS,
  });
  return registrationInfo;
}

async function verifyAssertion(
  rp: RelyingParty,
  answer: Assertion,
  expectedChallenge: string,
  passkey: Passkey,
): Promise<VerifiedAuthenticationResponse['authenticationInfo'] | undefined> {
  const { clientDataJSON, authenticatorData, signature } = answer.response;
  const { verified, authenticationInfo } = await verifyAuthenticationResponse({
    response: {
      ...answer,
      response: { clientDataJSON, authenticatorData, signature },
      clientExtensionResults: {},
    },
    expectedChallenge,
    expectedOrigin: rp.origin,
    expectedRPID: rp.id,
    requireUserVerification: true,
    // The counter is compared by us once the signature is known to be good: only then does a regress mean a copy.
    credential: { id: passkey.credentialId, publicKey: new Uint8Array(passkey.publicKey), counter: 0 },
  });
  return verified ? authenticationInfo : undefined;
}
