import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isPrivateHost, isPublicAddress } from '../../src/platform/addresses.js';
import { type Outbound, openOutbound } from '../../src/platform/outbound.js';

/** Connections that reached the server, whatever was said on them. */
let hits = 0;
let server: Server;
let port: number;

const MEGABYTE = Buffer.alloc(1_048_576, 'x');

const answers: Record<string, RequestListener> = {
  '/ok': (_request, response) => void response.end('hello'),
  '/redirect': (_request, response) => void response.writeHead(302, { location: '/sink' }).end(),
  '/announced': (_request, response) => {
    response.writeHead(200, { 'content-length': 100 * MEGABYTE.length });
    response.write(MEGABYTE);
  },
  '/endless': (_request, response) => {
    const more = () => {
      while (!response.destroyed && response.write(MEGABYTE));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  },
  '/drip': (_request, response) => {
    const drop = setInterval(() => response.write('.'), 20);
    response.on('close', () => clearInterval(drop));
  },
  '/silent': () => undefined,
};

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = answers[request.url ?? ''];
    if (answer) answer(request, response);
    else response.end('sink');
  });
  server.on('connection', () => {
    hits += 1;
  });
  await new Promise<void>(done => void server.listen(0, '::', done));
  port = (server.address() as AddressInfo).port;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise(done => void server.close(done));
});

async function using<T>(outbound: Outbound, act: (outbound: Outbound) => Promise<T>): Promise<T> {
  try {
    return await act(outbound);
  } finally {
    await outbound.close();
  }
}

const closedOff = (resolve?: Parameters<typeof openOutbound>[0]['resolve']) =>
  openOutbound({ allowPrivateNetwork: false, ...(resolve && { resolve }) });
const rig = () => openOutbound({ allowPrivateNetwork: true });
const REFUSED = {
  name: 'Refusal',
  code: 'unreachable',
  message: 'The address did not give a usable answer.',
};

describe('what is not public is never connected to', () => {
  test('but would be, were it let through', async () => {
    hits = 0;
    await using(rig(), async outbound => {
      await expect(outbound.fetch(`https://127.0.0.1:${port}/sink`)).rejects.toMatchObject(REFUSED);
    });
    expect(hits).toBe(1);
  });

  const hosts = [
    '127.0.0.1',
    '127.1',
    '0',
    '0.0.0.0',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    'localhost',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '169.254.169.254',
    '10.0.0.1',
    '100.64.0.1',
    '224.0.0.1',
    '[fe80::1]',
    '[fd00::1]',
    '[ff02::1]',
  ];
  test.each(hosts)('%s', async host => {
    hits = 0;
    await using(closedOff(), async outbound => {
      await expect(outbound.fetch(`https://${host}:${port}/sink`)).rejects.toMatchObject(REFUSED);
    });
    expect(hits).toBe(0);
  });

  test.each([
    ['IPv4 loopback', [{ address: '127.0.0.1', family: 4 }]],
    ['IPv6 loopback', [{ address: '::1', family: 6 }]],
    ['mapped loopback', [{ address: '::ffff:127.0.0.1', family: 6 }]],
    [
      'a public and a private address',
      [
        { address: '93.184.215.14', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ],
    ],
    ['nothing', []],
  ])('a name that resolves to %s', async (_what, addresses) => {
    hits = 0;
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return addresses;
    };
    await using(closedOff(resolve), async outbound => {
      await expect(outbound.fetch(`https://app.example:${port}/sink`)).rejects.toMatchObject(REFUSED);
    });
    expect(hits).toBe(0);
    // Judged and connected to out of one answer: there is no second one that could differ.
    expect(asked).toBe(1);
  });
});

describe('what is no https address of a web server is refused before anything is resolved', () => {
  const urls = [
    'http://app.example/',
    'https://app.example:5432/',
    'https://app.example:6379/',
    'https://app.example:25/',
    'https://app.example:22/',
    'https://app.example:11211/',
    'https://user:secret@app.example/',
    'https://user@app.example/',
    'file:///etc/passwd',
    'ftp://app.example/',
    'data:text/plain,hello',
    'not a url',
  ];
  test.each(urls)('%s', async url => {
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return [];
    };
    await using(closedOff(resolve), async outbound => {
      await expect(outbound.fetch(url)).rejects.toMatchObject(REFUSED);
    });
    expect(asked).toBe(0);
  });
});

describe('an answer is bounded', () => {
  const get = (path: string, init = {}) =>
    using(rig(), async outbound => (await outbound.fetch(`http://127.0.0.1:${port}${path}`, init)).text());

  test('a small one arrives whole', async () => {
    expect(await get('/ok')).toBe('hello');
  });

  test('C47: a redirect is shown and not followed', async () => {
    hits = 0;
    const response = await using(rig(), outbound =>
      outbound.fetch(`http://127.0.0.1:${port}/redirect`, { redirect: 'follow' }),
    );
    expect(response.status).toBe(302);
    expect(hits).toBe(1);
  });

  test('C47: one that announces 100 MB is refused', async () => {
    await expect(get('/announced')).rejects.toMatchObject(REFUSED);
  });

  test('one that never ends is cut off', async () => {
    await expect(get('/endless', { timeout: 20_000 })).rejects.toMatchObject(REFUSED);
  });

  test.each(['/drip', '/silent'])('%s ends with the time limit', async path => {
    await expect(get(path, { timeout: 300 })).rejects.toMatchObject(REFUSED);
  });

  test("the caller's own signal ends it too", async () => {
    await expect(get('/silent', { signal: AbortSignal.timeout(100) })).rejects.toMatchObject(REFUSED);
  });

  test('a form is sent as one, and a dispatcher of the caller has no say', async () => {
    const url = `http://127.0.0.1:${port}/ok`;
    const init = { method: 'POST', body: new URLSearchParams({ logout_token: 'x' }), dispatcher: {} };
    const response = await using(rig(), outbound => outbound.fetch(url, init));
    expect(response.status).toBe(200);
  });

  test('a database that answers is not asked', async () => {
    let connections = 0;
    const database = createTcpServer(socket => {
      connections += 1;
      socket.destroy();
    });
    const free = await new Promise<boolean>(done => {
      database.once('error', () => done(false));
      database.listen(27_017, '127.0.0.1', () => done(true));
    });
    await using(rig(), async outbound => {
      await expect(outbound.fetch('http://127.0.0.1:27017/')).rejects.toMatchObject(REFUSED);
    });
    expect(connections).toBe(0);
    if (free) await new Promise(done => void database.close(done));
  });
});

test('public addresses are told from all others', () => {
  expect(['1.1.1.1', '93.184.215.14', '2606:4700::1111'].every(isPublicAddress)).toBe(true);
  const others = [
    '192.0.2.1',
    '198.18.0.1',
    '2001:db8::1',
    '2002:7f00:1::',
    '::',
    '::7f00:1',
    'fec0::1',
    'x',
  ];
  expect(others.filter(isPublicAddress)).toEqual([]);
  expect(['app.example.com', '1.1.1.1', '[2606:4700::1111]'].filter(isPrivateHost)).toEqual([]);
  expect(['intranet', 'localhost.', 'a.LOCAL', 'x.internal', '[::1]', '10.1.1.1'].every(isPrivateHost)).toBe(
    true,
  );
});
