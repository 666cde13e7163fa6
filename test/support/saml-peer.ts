import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import samlp from 'samlp';
import { type CertifiedKey, makeCertifiedKey } from '../../src/platform/crypto/certificates.js';

/** What samlp reads of a request, as Express calls it. */
export interface ExpressRequest {
  readonly method: string;
  readonly url: string;
  readonly originalUrl: string;
  readonly protocol: string;
  readonly headers: IncomingMessage['headers'];
  readonly query: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, string>>;
}

/** What samlp answers with, as Express calls it. */
export interface ExpressLike {
  set(name: string, value: string): void;
  send(body: string | number): void;
  redirect(to: string): void;
}

export type Next = (error?: Error) => void;

/** Somebody who works at the company. */
export interface Employee {
  readonly id: string;
  readonly format?: string;
  readonly attributes?: Readonly<Record<string, string | readonly string[]>>;
}

/** How the company answers; all of it may change between two answers. */
export interface Manners {
  employee: Employee;
  sessionIndex: string;
  signResponse: boolean;
  /** PEM of the certificate that assertions are encrypted for. */
  encryptFor: string | undefined;
  context: string | undefined;
  signAssertion: boolean;
  /** What it says about itself instead of the truth. */
  metadata: string | undefined;
  key: CertifiedKey;
  /** Changed before it is sent, as an attacker or a broken product would. */
  tamper: (xml: string) => string;
}

/** A company's identity provider that is none of ours: samlp of Auth0, behind plain http on loopback. */
export interface SamlPeer {
  readonly origin: string;
  readonly entityId: string;
  readonly metadataUrl: string;
  readonly manners: Manners;
  /** The requests to sign in and messages about signing out that came, oldest first. */
  readonly requests: readonly ExpressRequest[];
  /** Signs somebody out who is signed in at `logoutUrl` under this name: where their browser is sent. */
  readonly startLogout: string;
  close(): Promise<void>;
}

const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';

/** An assertion in its envelope, as samlp makes it; `more` are samlp's options. */
export function makeResponse(key: CertifiedKey, employee: Employee, more: object): Promise<string> {
  const signing = {
    key: key.privateKey,
    cert: key.certificate,
    signatureAlgorithm: 'rsa-sha256',
    digestAlgorithm: 'sha256',
  };
  const options = { issuer: '', ...signing, profileMapper, ...more };
  return new Promise((resolve, reject) => {
    samlp.getSamlResponse(options, employee, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

function profileMapper(employee: Employee) {
  return {
    getClaims: () => employee.attributes ?? {},
    getNameIdentifier: () => ({
      nameIdentifier: employee.id,
      nameIdentifierFormat: employee.format ?? PERSISTENT,
    }),
  };
}

/** Opens a company's identity provider; `logoutUrl` and `us` are the service provider's, for its logout. */
export async function openSamlPeer(us: () => Participant | undefined = () => undefined): Promise<SamlPeer> {
  const key = await makeCertifiedKey({ name: 'idp.example', from: new Date(), years: 1 });
  const manners: Manners = {
    employee: { id: 'a7c3' },
    sessionIndex: '_session-1',
    signResponse: false,
    encryptFor: undefined,
    context: undefined,
    signAssertion: true,
    metadata: undefined,
    key,
    tamper: xml => xml,
  };
  const requests: ExpressRequest[] = [];
  const state = memoryStore();
  let origin = '';
  const server = createServer(async (incoming, outgoing) => {
    const request = await asExpress(incoming, origin);
    if (request.query['SAMLRequest'] ?? request.body['SAMLRequest'] ?? request.body['SAMLResponse'])
      requests.push(request);
    const response = answering(outgoing);
    const next: Next = error => void outgoing.writeHead(500).end(String(error));
    const path = new URL(request.url, origin).pathname;
    const signing = {
      issuer: `${origin}/entity`,
      cert: manners.key.certificate,
      key: manners.key.privateKey,
    };
    if (path === '/metadata' && manners.metadata !== undefined) response.send(manners.metadata);
    else if (path === '/metadata') {
      samlp.metadata({
        ...signing,
        redirectEndpointPath: '/sso',
        postEndpointPath: '/sso',
        logoutEndpointPaths: { redirect: '/slo', post: '/slo' },
      })(request, response, next);
    } else if (path === '/sso')
      signIn(request, response, next, { manners, signing, signingCert: us()?.certificate });
    else signOut(request, response, next, signing, { us: us(), manners, state });
  });
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve));
  origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    entityId: `${origin}/entity`,
    metadataUrl: `${origin}/metadata`,
    manners,
    requests,
    startLogout: `${origin}/slo`,
    close: async () => {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

/** A service provider that takes part in signing out. */
export interface Participant {
  readonly entityId: string;
  readonly logoutUrl: string;
  readonly certificate: string;
}

/** What a service provider's metadata says: as a participant, and for which certificate it wants to be encrypted for. */
export function participantIn(xml: string): Participant & { readonly encryption: string } {
  const certificate = (use: string) => {
    const named = new RegExp(`use="${use}".*?<ds:X509Certificate>([^<]+)<`, 's').exec(xml)?.[1] ?? '';
    const lines = named.match(/.{1,64}/g)?.join('\n');
    return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  };
  const said = (pattern: RegExp) => pattern.exec(xml)?.[1] ?? '';
  return {
    entityId: said(/entityID="([^"]+)"/),
    logoutUrl: said(/SingleLogoutService [^>]*Location="([^"]+)"/),
    certificate: certificate('signing'),
    encryption: certificate('encryption'),
  };
}

interface Signing {
  readonly issuer: string;
  readonly cert: string;
  readonly key: string;
}

interface SigningIn {
  readonly manners: Manners;
  readonly signing: Signing;
  /** What requests must be signed with, once it knows. */
  readonly signingCert: string | undefined;
}

function signIn(
  request: ExpressRequest,
  response: ExpressLike,
  next: Next,
  { manners, signing, signingCert }: SigningIn,
): void {
  const deflate = request.method === 'GET';
  samlp.parseRequest(request, { deflate, ...(signingCert && { signingCert }) }, (error, asked) => {
    if (error || !asked) return next(error ?? new Error('nothing was asked'));
    const { id, issuer } = asked;
    const callback = issuer.replace(/metadata$/, 'callback');
    const { employee, sessionIndex, signAssertion, signResponse, context } = manners;
    return makeResponse(manners.key, employee, {
      ...signing,
      audience: issuer,
      recipient: callback,
      destination: callback,
      inResponseTo: id,
      lifetimeInSeconds: 300,
      sessionIndex,
      signAssertion,
      signResponse,
      ...(context && { authnContextClassRef: context }),
      ...(manners.encryptFor && {
        encryptionCert: manners.encryptFor,
        encryptionPublicKey: manners.encryptFor,
        encryptionAlgorithm: 'http://www.w3.org/2009/xmlenc11#aes256-gcm',
      }),
    }).then(xml => {
      const fields = {
        SAMLResponse: Buffer.from(manners.tamper(xml)).toString('base64'),
        RelayState: request.query['RelayState'] ?? request.body['RelayState'] ?? '',
      };
      response.set('Content-Type', 'text/html');
      response.send(formPage(callback, fields));
    }, next);
  });
}

interface SigningOut {
  readonly us: Participant | undefined;
  readonly manners: Manners;
  readonly state: object;
}

function signOut(
  request: ExpressRequest,
  response: ExpressLike,
  next: Next,
  signing: Signing,
  { us, manners, state }: SigningOut,
): void {
  const participants = us
    ? [
        {
          serviceProviderId: us.entityId,
          nameId: manners.employee.id,
          nameIdFormat: PERSISTENT,
          sessionIndex: manners.sessionIndex,
          serviceProviderLogoutURL: us.logoutUrl,
          cert: us.certificate,
        },
      ]
    : [];
  samlp.logout({
    ...signing,
    deflate: true,
    protocolBinding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
    sessionParticipants: participantsOf(participants, state),
    store: state,
  })(request, response, next);
}

type Kept = Record<string, unknown>;

/* What samlp would keep in Express's session. */
function memoryStore() {
  const kept = new Map<string, Kept>();
  let next = 0;
  return {
    gone: new Set<string>(),
    save: (_request: unknown, value: Kept, done: (error: null, id: string) => void) => {
      const id = `state-${next++}`;
      kept.set(id, value);
      done(null, id);
    },
    load: (_request: unknown, id: string, ...rest: unknown[]) => {
      const done = rest.at(-1) as (error: null, value: Kept | undefined) => void;
      done(null, kept.get(id));
    },
    update: (_request: unknown, id: string, value: Kept, done: (error: null) => void) => {
      kept.set(id, value);
      done(null);
    },
  };
}

interface Named {
  readonly serviceProviderId: string;
  readonly nameId: string;
  readonly sessionIndex: string;
}

/* Whoever has answered takes part no more. */
function participantsOf(all: readonly Named[], state: object) {
  const { gone } = state as { readonly gone: Set<string> };
  const keyOf = ({ nameId, sessionIndex }: Pick<Named, 'nameId' | 'sessionIndex'>) =>
    `${nameId} ${sessionIndex}`;
  const here = () => all.filter(each => !gone.has(keyOf(each)));
  return {
    get: (
      _issuer: string,
      indexes: readonly string[],
      nameId: string,
      done: (error: null, found?: Named) => void,
    ) =>
      done(
        null,
        all.find(each => each.nameId === nameId && indexes.includes(each.sessionIndex)),
      ),
    hasElements: () => here().length > 0,
    getFirst: (done: (error: null, found?: Named) => void) => done(null, here()[0]),
    remove: (_issuer: string, sessionIndex: string, nameId: string, done: (error: null) => void) => {
      gone.add(keyOf({ nameId, sessionIndex }));
      done(null);
    },
  };
}

async function asExpress(incoming: IncomingMessage, origin: string): Promise<ExpressRequest> {
  const { method = 'GET', url = '/', headers } = incoming;
  let text = '';
  for await (const chunk of incoming) text += chunk;
  return {
    method,
    url,
    originalUrl: url,
    protocol: 'http',
    headers,
    query: Object.fromEntries(new URL(url, origin).searchParams),
    body: Object.fromEntries(new URLSearchParams(text)),
  };
}

function answering(outgoing: ServerResponse): ExpressLike {
  return {
    set: (name, value) => void outgoing.setHeader(name, value),
    send: body => {
      if (typeof body === 'number') outgoing.writeHead(body).end(signedOutPage);
      else outgoing.end(body);
    },
    redirect: to => void outgoing.writeHead(302, { location: to }).end(),
  };
}

const signedOutPage =
  '<!doctype html><html lang="en"><title>Company</title><main><h1>Signed out at the company</h1></main></html>';

function formPage(action: string, fields: Readonly<Record<string, string>>): string {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${name}" value="${value.replaceAll('"', '&quot;')}">`,
  );
  return `<!doctype html><html lang="en"><title>Company</title><main><h1>Signed in at the company</h1>
    <form method="post" action="${action}">${inputs.join('')}<button>Go on</button></form></main></html>`;
}
