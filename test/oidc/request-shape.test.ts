import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import type Koa from 'koa';
import Provider from 'oidc-provider';
import { oneShape } from '../../src/oidc/request-shape.js';

test('the engine tells of each request what it told, and leaves none a getter of its own', async () => {
  const provider = new Provider('http://localhost');
  const served: { readonly own: boolean; readonly before: unknown; readonly route: unknown }[] = [];
  oneShape(provider);
  oneShape(provider);
  provider.use(async (ctx: Koa.Context, next) => {
    const before = ctx['oidc'];
    await next();
    const told = ctx['oidc'] as { readonly route?: string; readonly ctx?: unknown } | undefined;
    expect(told?.ctx ?? ctx).toBe(ctx);
    served.push({ own: Object.hasOwn(ctx, 'oidc'), before, route: told?.route });
  });
  const server = createServer(provider.callback()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  try {
    await Promise.all(['/jwks', '/.well-known/openid-configuration', '/nothing'].map(ask));
  } finally {
    server.close();
  }
  const as = (route: string | undefined) => ({ own: false, before: undefined, route });
  expect(served).toHaveLength(3);
  expect(served).toEqual(expect.arrayContaining([as('jwks'), as('discovery'), as(undefined)]));
});

test('whatever else is defined under that name is defined as ever', () => {
  oneShape(new Provider('http://localhost'));
  const holder = Object.defineProperty({}, 'oidc', { get: () => 'own' });
  expect(Object.getOwnPropertyDescriptor(holder, 'oidc')).toMatchObject({
    enumerable: false,
    configurable: false,
  });
  expect(holder).toHaveProperty('oidc', 'own');
  expect(() => Object.defineProperty(Object.freeze({}), 'oidc', { value: 1 })).toThrow(TypeError);
});

test('a plain field is what it would be, whatever it is called and whatever it is defined on', () => {
  oneShape(new Provider('http://localhost'));
  const plain = { writable: true, enumerable: true, configurable: true };
  const odd = ['a', '__proto__', 'constructor', 'toString', '7', ''];
  const inherits = Object.create({ set a(_value: unknown) {} }) as object;
  for (const holder of [{}, [], Object.create(null) as object, inherits, () => undefined]) {
    for (const key of odd) {
      expect(Object.defineProperty(holder, key, { value: key, ...plain })).toBe(holder);
      expect(Object.getOwnPropertyDescriptor(holder, key)).toEqual({ value: key, ...plain });
    }
  }
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(Object.getPrototypeOf(Object.defineProperty({}, '__proto__', { value: [], ...plain }))).toBe(
    Object.prototype,
  );
  for (const closed of [Object.freeze({}), new Uint8Array(1)]) {
    expect(() => Object.defineProperty(closed, '7', { value: 1, ...plain })).toThrow(TypeError);
  }
  const fixed = Object.defineProperty({}, 'a', { value: 1 });
  expect(() => Object.defineProperty(fixed, 'a', { value: 2, ...plain })).toThrow(TypeError);
});
