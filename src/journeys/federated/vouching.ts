import { type Arrived, speaksFor } from '../../domain/federation/federation.js';
import type { Parts } from '../journey.js';

/** Whom a directory named, with its word for their address: it may hold any, and speaks for those of its organisation's own domains. */
export async function vouchedFor({ db }: Pick<Parts, 'db'>, arrived: Arrived): Promise<Arrived> {
  const { email, ...rest } = arrived.identity;
  if (!email) return arrived;
  const verified = await speaksFor(db, arrived.provider.id, email.address);
  return { ...arrived, identity: { ...rest, email: { ...email, verified } } };
}
