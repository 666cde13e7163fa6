import type Koa from 'koa';
import type { Keyring } from '../crypto/keyring.js';
import { withinOrigin } from '../storage/origin.js';
import { visitOf } from './surface.js';

/** From where something is asked: the browser in a few plain words, and the network address. */
export function askedFrom(ctx: Koa.Context): { readonly device: string; readonly address: string } {
  return { device: deviceName(ctx.get('User-Agent')), address: visitOf(ctx).address };
}

/** Lets what happens in a request be on record with where it came from, sealed. */
export function origins(keyring: Keyring): Koa.Middleware {
  return (ctx, next) => {
    const origin = () => {
      const { device, address } = askedFrom(ctx);
      return { address, browser: device };
    };
    return withinOrigin(keyring, origin, next);
  };
}
const BROWSERS = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chrome\/|CriOS\//, 'Chrome'],
  [/Safari\//, 'Safari'],
] as const;
const SYSTEMS = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
] as const;

/** The browser and system of a user agent, in a few plain words; nothing when neither is known. */
export function deviceName(agent: string): string {
  const browser = BROWSERS.find(([pattern]) => pattern.test(agent))?.[1];
  const system = SYSTEMS.find(([pattern]) => pattern.test(agent))?.[1];
  return [browser, system].filter(Boolean).join(' · ');
}
