import type Koa from 'koa';
import { z } from 'zod';
import { askedFrom } from '../../platform/web/origin.js';
import type { Parts } from '../journey.js';
import type { Asked } from '../page-models.js';

/** From where one of the two phones came: its browser, and coarsely its place. */
export type Whence = Pick<Asked, 'device' | 'address' | 'country'>;

const PURPOSE = 'move-whence';
const schema = z.object({
  device: z.string().optional(),
  address: z.string().optional(),
  country: z.string().optional(),
});

/** From where this request comes. */
export async function whenceOf(ctx: Koa.Context, parts: Parts): Promise<Whence> {
  const { device, address } = askedFrom(ctx);
  const country = await parts.places.countryOf(address);
  return { ...(device && { device }), ...(address && { address }), ...(country && { country }) };
}

/** The same, sealed as a move keeps it. */
export async function sealWhence(ctx: Koa.Context, parts: Parts): Promise<Buffer> {
  return parts.keyring.seal(PURPOSE, JSON.stringify(await whenceOf(ctx, parts)));
}

/** Opens what `sealWhence` sealed; under a secret that is lost it says nothing. */
export function openWhence({ keyring }: Pick<Parts, 'keyring'>, sealed: Buffer | undefined): Whence {
  if (!sealed) return {};
  try {
    const { device, address, country } = schema.parse(JSON.parse(keyring.open(PURPOSE, sealed)));
    return { ...(device && { device }), ...(address && { address }), ...(country && { country }) };
  } catch {
    return {};
  }
}
