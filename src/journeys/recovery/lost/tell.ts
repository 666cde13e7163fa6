import { parse as uuidBytes, stringify as uuidText } from 'uuid';
import type { Recovery } from '../../../domain/recoveries/recoveries.js';
import type { Keyring } from '../../../platform/crypto/keyring.js';
import type { Work } from '../../../platform/storage/work.js';
import { askedFrom } from '../../../platform/web/origin.js';
import { type Doing, type News, type Telling, tellEveryone, tellWithoutRequest } from '../../notices/tell.js';
import type { Asked } from '../../page-models.js';

const ASKED = 'recovery';
const STOP = 'recovery-stop';
const SHAPE = /^[\w-]{60,400}$/;

/** By which browser and from where it was begun, as it is kept. */
export async function sealAsked({ ctx, parts }: Doing): Promise<Buffer> {
  const from = askedFrom(ctx);
  const country = await parts.places.countryOf(from.address);
  return parts.keyring.seal(ASKED, JSON.stringify({ ...from, ...(country && { country }) }));
}

/** When, by which browser and from where a recovery was begun. */
export function askedOf(keyring: Keyring, { askedFrom: sealed, startedAt: at }: Recovery): Asked {
  return { ...openAsked(keyring, sealed), at };
}

/** Opens what `sealAsked` sealed; under a secret that is lost it says nothing. */
export function openAsked(keyring: Keyring, sealed: Buffer): Omit<Asked, 'at'> {
  try {
    return JSON.parse(keyring.open(ASKED, sealed)) as Omit<Asked, 'at'>;
  } catch {
    return {};
  }
}

/**
 * The token of the link that stops a recovery. Sealed, so that nobody makes one up or reads whose it is, and kept nowhere: what
 * it can do is up to what has become of that recovery.
 */
export function stopToken(keyring: Keyring, { accountId, id }: Pick<Recovery, 'accountId' | 'id'>): string {
  return keyring
    .seal(STOP, Buffer.concat([uuidBytes(accountId), uuidBytes(id)]).toString('base64url'))
    .toString('base64url');
}

/** Which recovery a link stops; undefined when it is none of ours. */
export function openStopToken(
  keyring: Keyring,
  token: string,
): Pick<Recovery, 'accountId' | 'id'> | undefined {
  if (!SHAPE.test(token)) return undefined;
  try {
    const both = Buffer.from(keyring.open(STOP, Buffer.from(token, 'base64url')), 'base64url');
    return { accountId: uuidText(both.subarray(0, 16)), id: uuidText(both.subarray(16)) };
  } catch {
    return undefined;
  }
}

function newsOf(telling: Telling, recovery: Recovery, kind: News['kind']): News {
  const { accountId, readyAt, expiresAt } = recovery;
  const stopUrl = `${telling.issuer.origin}/recovery/stop/${stopToken(telling.keyring, recovery)}`;
  return { accountId, kind, stopUrl, until: kind === 'recovery_ready' ? expiresAt : readyAt };
}

/** Tells everybody who may stop it that a recovery has begun. */
export function tellOfBegun(work: Work, doing: Doing, recovery: Recovery): Promise<void> {
  return tellEveryone(work, doing, newsOf(doing.parts, recovery, 'recovery_begun'));
}

/** Tells them once more while it waits, and when its time has come. */
export function tellOfWaiting(
  work: Work,
  telling: Telling,
  recovery: Recovery,
  kind: 'recovery_waiting' | 'recovery_ready',
): Promise<void> {
  return tellWithoutRequest(
    work,
    telling,
    newsOf(telling, recovery, kind),
    askedOf(telling.keyring, recovery),
  );
}
