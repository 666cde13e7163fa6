import type Koa from 'koa';
import type Provider from 'oidc-provider';
import { errors } from 'oidc-provider';
import { visitOf } from '../platform/web/surface.js';

/** A device that asks to be let in, once its app has proved itself and asks for nothing that it may not have. */
export interface AskingDevice {
  readonly clientId: string;
  readonly address: string;
}

/** Says how many seconds it has to wait first, if it has to. */
export type MayDeviceAsk = (device: AskingDevice) => Promise<number | undefined>;

interface DeviceCode {
  readonly clientId: string;
  save(...parameters: unknown[]): Promise<string>;
}

/* RFC 6749 §5.2 has no word for it; this one is what the same document says of an overload in §4.1.2.1. */
class TooManyDevices extends errors.CustomOIDCProviderError {
  override readonly status = 429;
  override readonly statusCode = 429;
  constructor() {
    super('temporarily_unavailable', 'too many devices have asked from this network; try again later');
  }
}

/** Asks before a device gets its codes, and answers one too many as OAuth does (RFC 6749 §5.2, RFC 6585 §4). */
export function paceDevices(provider: Provider, mayAsk: MayDeviceAsk): void {
  const model = provider.DeviceCode as unknown as { readonly prototype: DeviceCode };
  const engine = provider.constructor as unknown as { readonly ctx?: Koa.Context };
  const { save } = model.prototype;
  model.prototype.save = async function pacedSave(this: DeviceCode, ...parameters) {
    const { ctx } = engine;
    /* What people say about a device later on is saved as well. */
    if (ctx && (ctx as unknown as { oidc: { route: string } }).oidc.route === 'device_authorization') {
      const wait = await mayAsk({ clientId: this.clientId, address: visitOf(ctx).address });
      if (wait !== undefined) {
        ctx.set('Retry-After', String(wait));
        throw new TooManyDevices();
      }
    }
    return save.apply(this, parameters);
  };
}
