import { z } from 'zod';
import { spelledCode, typedCode } from '../../../domain/factors/factors.js';
import type { Turn } from '../../turn.js';

const SETUP = 'lost-setup';
const CODES = 'lost-codes';
const HALF_HOUR = 1_800_000;
const setup = z.strictObject({ uid: z.string(), accountId: z.string(), secret: z.string(), at: z.number() });

/** The secret of an app that is not there yet: kept nowhere, and good in this request for half an hour. */
export function sealSetup({ parts, pending, progress }: Turn, secret: string): string {
  const { accountId = '' } = progress.lost ?? {};
  const sealed = { uid: pending.uid, accountId, secret, at: Date.now() };
  return parts.keyring.seal(SETUP, JSON.stringify(sealed)).toString('base64url');
}

/** The secret that a form brought back; undefined when it is another request's, or too old. */
export function openSetup({ parts, pending, progress }: Turn, sealed: unknown): string | undefined {
  if (typeof sealed !== 'string' || sealed.length > 2_000) return undefined;
  try {
    const text = parts.keyring.open(SETUP, Buffer.from(sealed, 'base64url'));
    const { uid, accountId, secret, at } = setup.parse(JSON.parse(text));
    const ours = uid === pending.uid && accountId === progress.lost?.accountId;
    return ours && Date.now() - at < HALF_HOUR ? secret : undefined;
  } catch {
    return undefined;
  }
}

/** The codes that came with what is new, sealed for this request: they are kept nowhere else. */
export function sealCodes({ parts, pending }: Turn, codes: readonly string[]): string {
  return parts.keyring.seal(CODES, JSON.stringify([pending.uid, ...codes])).toString('base64url');
}

/** The codes that are shown in this request. */
export function openCodes({ parts, pending, progress }: Turn): readonly string[] {
  const sealed = Buffer.from(progress.newCodes ?? '', 'base64url');
  const [uid, ...codes] = JSON.parse(parts.keyring.open(CODES, sealed)) as string[];
  if (uid !== pending.uid) throw new Error('these codes belong to another request');
  return codes.flatMap(code => (typedCode(code) === undefined ? [] : [spelledCode(code)]));
}
