import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import ldap from 'ldapjs';
import { generate } from 'selfsigned';
import type { TestKeyhold } from './keyhold.js';
import { declareProvider } from './upstream.js';

/** Somebody in a directory. */
export interface Inhabitant {
  readonly dn: string;
  readonly password: string;
  readonly attributes: Record<string, string | string[] | Buffer>;
  /** What the directory says to a bind with the right password, as Active Directory does. */
  says?: string;
}

/** What a directory was asked. */
export interface Asked {
  readonly what: 'bind' | 'search';
  readonly dn: string;
  readonly password?: string;
  readonly filter?: string;
}

/** A directory by LDAP, of a library that is not ours. */
export interface TestDirectory {
  readonly port: number;
  readonly base: string;
  readonly bindDn: string;
  readonly bindPassword: string;
  readonly people: Inhabitant[];
  readonly asked: Asked[];
  /** The file with its certificate, where it speaks TLS. */
  readonly cert: string | undefined;
  /** So many connections were opened. */
  connections(): number;
  /** How it behaves: as it should, not answering, answering too much, too busy, or closing after a bind. */
  behave(how: Behaviour): void;
  /** Answers nobody until it goes on. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

export type Behaviour = 'well' | 'silent' | 'huge' | 'busy' | 'hanging-up' | 'talking';

export const BASE = 'dc=acme,dc=test';
const BIND_DN = `cn=keyhold,${BASE}`;
const BIND_PASSWORD = 'looks people up';
const INVALID_CREDENTIALS = 49;
const START_TLS = '1.3.6.1.4.1.1466.20037';

/** Somebody with a password, in the directory of Acme. */
export function inhabitant(uid: string, password: string, more: Inhabitant['attributes'] = {}): Inhabitant {
  const attributes = {
    objectClass: ['person', 'inetOrgPerson'],
    uid,
    mail: `${uid}@acme.test`,
    entryUUID: `00000000-0000-4000-8000-${Buffer.from(uid.padEnd(6, '-')).toString('hex').slice(0, 12)}`,
    ...more,
  };
  return { dn: `uid=${uid},ou=people,${BASE}`, password, attributes };
}

/** Opens a directory: in the clear, by TLS (`ldaps`), or with StartTLS that has to come first. */
export async function openDirectory(by: 'plain' | 'ldaps' | 'start-tls' = 'plain'): Promise<TestDirectory> {
  const people: Inhabitant[] = [];
  const asked: Asked[] = [];
  const state = { how: 'well' as Behaviour, connections: 0 };
  let goesOn = Promise.withResolvers<void>();
  goesOn.resolve();
  const keys = by === 'plain' ? undefined : await selfSigned();
  const server = ldap.createServer(by === 'ldaps' && keys ? { certificate: keys.cert, key: keys.key } : {});
  serve(server, { people, asked, how: () => state.how, ready: () => goesOn.promise });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const front = await openFront(
    Number(new URL(server.url).port),
    by === 'start-tls' ? keys : undefined,
    state,
  );
  return {
    port: (front.address() as AddressInfo).port,
    base: BASE,
    bindDn: BIND_DN,
    bindPassword: BIND_PASSWORD,
    people,
    asked,
    cert: keys?.cert,
    connections: () => state.connections,
    behave: how => {
      state.how = how;
    },
    pause: () => {
      goesOn = Promise.withResolvers<void>();
    },
    resume: () => goesOn.resolve(),
    close: async () => {
      await new Promise(resolve => front.close(resolve));
      await new Promise<void>(resolve => server.close(() => resolve()));
    },
  };
}

interface Asking {
  readonly type: string;
  readonly attribute: string;
  readonly value: string;
  readonly filters: readonly Asking[];
  toString(): string;
}

/* Its own matching compares values as they are escaped in a filter's text (`\c3\a9`) with values as they are. */
function matches(filter: Asking, attributes: Inhabitant['attributes']): boolean {
  if (filter.type === 'AndFilter') return filter.filters.every(each => matches(each, attributes));
  if (filter.type === 'OrFilter') return filter.filters.some(each => matches(each, attributes));
  if (filter.type !== 'EqualityFilter') throw new Error(`${filter.type} is not known here`);
  const bytes = filter.value.replace(/\\([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const isEscaped = bytes !== filter.value;
  const value = (isEscaped ? Buffer.from(bytes, 'latin1').toString() : filter.value).toLowerCase();
  const [, held] =
    Object.entries(attributes).find(([name]) => name.toLowerCase() === filter.attribute.toLowerCase()) ?? [];
  return [held ?? []].flat().some(each => String(each).toLowerCase() === value);
}

/* As ldapjs gives them; its types leave handlers open. */
interface Request {
  readonly dn: { toString(): string };
  readonly credentials: string;
  readonly filter: Asking;
  readonly connection: Socket;
}
interface Answer {
  diagnosticMessage: string;
  attributes: readonly string[];
  send(entry: object, unfiltered?: boolean): void;
  end(status?: number): void;
}
type Next = (error?: object) => void;

interface Serving {
  readonly people: readonly Inhabitant[];
  readonly asked: Asked[];
  how(): Behaviour;
  ready(): Promise<void>;
}

function serve(server: ldap.Server, { people, asked, how, ready }: Serving): void {
  const same = (one: string, other: string) =>
    one.replace(/\s/g, '').toLowerCase() === other.replace(/\s/g, '').toLowerCase();
  server.bind('', async (request: Request, response: Answer, next: Next) => {
    const [dn, password] = [request.dn.toString(), request.credentials];
    asked.push({ what: 'bind', dn, password });
    await ready();
    if (how() === 'busy') return next(new ldap.BusyError('try later'));
    const isOurs = same(dn, BIND_DN) && password === BIND_PASSWORD;
    const person = people.find(each => same(each.dn, dn));
    /* What RFC 4513 §5.1.1 and §5.1.2 warn of: without a name, or without a password, one is let in as nobody. */
    const isRight = isOurs || password === '' || dn === '' || person?.password === password;
    const says = isRight ? (password === '' ? undefined : person?.says) : wrongAs(person);
    /* ldapjs forgets what an error says. */
    response.diagnosticMessage = says ?? '';
    response.end(says === undefined ? 0 : INVALID_CREDENTIALS);
    if (how() === 'hanging-up') request.connection.destroy();
    return next();
  });
  server.search('', (request: Request, response: Answer, next: Next) => {
    asked.push({ what: 'search', dn: request.dn.toString(), filter: request.filter.toString() });
    const below = people.filter(
      ({ dn }) => dn === '' || dn.replace(/\s/g, '').endsWith(request.dn.toString().replace(/\s/g, '')),
    );
    /* It compares names of attributes by their case, which no directory does. */
    response.attributes = ['*'];
    for (const { dn, attributes } of below) {
      if (matches(request.filter, attributes)) response.send({ dn, attributes: { ...attributes } });
    }
    if (how() === 'huge') {
      const attributes = { description: 'x'.repeat(60_000) };
      for (let count = 0; count < 60; count++)
        response.send({ dn: `cn=${count},${BASE}`, attributes: { ...attributes } }, true);
    }
    response.end();
    return next();
  });
}

const wrongAs = (person: Inhabitant | undefined) =>
  `80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data ${person ? '52e' : '525'}, v4563`;

/* Counts connections, and speaks StartTLS where it is asked for: ldapjs cannot. */
async function openFront(
  port: number,
  keys: { readonly cert: string; readonly key: string } | undefined,
  state: { readonly how: Behaviour; connections: number },
): Promise<Server> {
  const { connect } = await import('node:net');
  const open = new Set<Socket>();
  const front = createServer(async client => {
    state.connections++;
    open.add(client);
    client.on('error', () => undefined).on('close', () => open.delete(client));
    if (state.how === 'silent') return;
    const spoken = keys ? await startedTls(client, keys, state.how) : client;
    if (!spoken) return void client.destroy();
    const behind = connect(port, '127.0.0.1');
    spoken.on('error', () => behind.destroy()).pipe(behind);
    client.on('close', () => behind.destroy());
    behind
      .on('error', () => spoken.destroy())
      .on('close', () => spoken.destroy())
      .pipe(spoken);
  });
  await new Promise<void>(resolve => front.listen(0, 'localhost', resolve));
  const close = front.close.bind(front);
  front.close = done => {
    for (const client of open) client.destroy();
    return close(done);
  };
  return front;
}

async function startedTls(
  client: Socket,
  keys: { readonly cert: string; readonly key: string },
  how: Behaviour,
): Promise<TLSSocket | undefined> {
  const first = await new Promise<Buffer>(resolve => client.once('data', resolve));
  if (!first.toString('latin1').includes(START_TLS)) return undefined;
  client.pause();
  const yes = Buffer.from('300c02010178070a010004000400', 'hex');
  /* A word more, in the clear, from somebody on the way. */
  client.write(
    how === 'talking' ? Buffer.concat([yes, Buffer.from('300c02010261070a010004000400', 'hex')]) : yes,
  );
  const secured = new TLSSocket(client, { isServer: true, ...keys });
  return secured;
}

async function selfSigned(): Promise<{ readonly cert: string; readonly key: string }> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
    ],
  });
  return { cert: made.cert, key: made.private };
}

/** Declares a directory as an operator would. */
export function declareDirectory(
  keyhold: Pick<TestKeyhold, 'db' | 'config'>,
  directory: TestDirectory,
  { id, ...more }: { readonly id: string; readonly [member: string]: unknown },
): Promise<void> {
  return declareProvider(keyhold, {
    id,
    kind: 'ldap',
    settings: {
      urls: [`ldap://localhost:${directory.port}`],
      plain_on_loopback: true,
      bind_dn: directory.bindDn,
      base: directory.base,
      timeout: 10_000,
    },
    secrets: { bind_password: directory.bindPassword },
    ...more,
  });
}
