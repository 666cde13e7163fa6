import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import Router from '@koa/router';
import Koa from 'koa';
import { routing } from '../../../src/platform/web/routing.js';

function routesOf(): Router {
  const router = new Router();
  for (const path of [
    '/',
    '/account',
    '/account/devices',
    '/account/:page',
    '/undo/:token',
    '/.well-known/x',
  ]) {
    router.get(path, async (ctx, next) => {
      if (ctx['params'].page === 'on') return next();
      ctx.body = `GET ${path} ${JSON.stringify(ctx['params'])}`;
    });
  }
  router.post('/account', ctx => {
    ctx.body = 'POST /account';
  });
  return router;
}

async function answers(middleware: Koa.Middleware, requests: readonly string[]): Promise<readonly string[]> {
  const app = new Koa().use(middleware);
  app.use(ctx => {
    ctx.body = `nothing, or further: ${(ctx as { _matchedRoute?: string })._matchedRoute}`;
  });
  const server = createServer(app.callback()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    return await Promise.all(
      requests.map(async request => {
        const [method = '', path] = request.split(' ');
        return (await fetch(`http://127.0.0.1:${port}${path}`, { method })).text();
      }),
    );
  } finally {
    server.close();
  }
}

test('a request is answered by the route that would answer it if all were tried', async () => {
  const requests = [
    ...[
      'GET /',
      'GET /account',
      'GET /account/',
      'GET /ACCOUNT/Devices',
      'GET /account/devices',
      'GET /account/x%2Fy',
    ],
    ...[
      'GET /account/on',
      'POST /account',
      'PUT /account',
      'GET /undo/1',
      'GET /undo',
      'GET /undo/1/2',
      'GET //account',
    ],
    ...[
      'GET /.well-known/x',
      'GET /%61ccount',
      'GET /constructor',
      'GET /__proto__',
      'GET /nothing/account',
      'HEAD /account',
    ],
  ];
  const found = await answers(routing(routesOf()), requests);
  expect(found).toEqual(await answers(routesOf().routes() as Koa.Middleware, requests));
  expect(new Set(found).size).toBeGreaterThan(8);
});

test('a route that begins with anything but a name is refused at once', () => {
  for (const path of ['/:anything', '/{*all}']) {
    expect(() => routing(new Router().get(path, () => undefined))).toThrow('begin with a name');
  }
});
