import { z } from 'zod';
import type { Turn } from '../../turn.js';

const SETUP = 'lost-setup';
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
