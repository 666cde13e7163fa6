import type Koa from 'koa';
import { type Client, findClientByEntity } from '../domain/clients/clients.js';
import { mayAct } from '../oidc/acting.js';
import { Refusal } from '../platform/errors.js';
import { type SamlApp, samlAppOf } from './app.js';
import { noting } from './facts.js';
import type { Incoming } from './incoming.js';
import { NS } from './names.js';
import type { SamlParts } from './parts.js';
import { childOf, misdirected, readXml, unreadable, type XmlElement } from './xml.js';

/** A message of an app that is registered, of which only what it signed is left, where it signs. */
export interface Message {
  readonly app: SamlApp;
  readonly root: XmlElement;
  readonly relayState: string | undefined;
  /** It carries a signature that holds. */
  readonly signed: boolean;
}

/* Clocks differ, and a page that posts itself may wait in a tab. */
const EARLY_MS = 300_000;
const OLD_MS = 600_000;
/* Core §1.3.4: a name of XML, which we give back. */
const ID = /^[A-Za-z_][\w.-]{0,255}$/;
const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

const unavailable = () =>
  new Refusal('forbidden', 'client_unavailable', 'The application that asked is not available.');

/**
 * Finds out whose message it is and holds it against that app's registration: one that is unknown or turned off is refused
 * alike; where it has a key, what it did not sign counts for nothing (Core §3.2.1, §5).
 */
export async function messageOf<T>(
  ctx: Koa.Context,
  parts: Pick<SamlParts, 'db' | 'protection'>,
  incoming: Incoming,
  { place, kinds, read }: Expected<T>,
): Promise<T> {
  const issuer = issuerOf(readXml(incoming.text));
  const client = issuer === '' ? undefined : await findClientByEntity(parts.db, issuer);
  const app = actingApp(client);
  return noting(ctx, parts, app.clientId, () => read(checked(incoming, { app, issuer, place, kinds })));
}

/** What a message must be to be read. */
interface Expected<T> {
  /** The address that it must have been sent to. */
  readonly place: string;
  readonly kinds: readonly string[];
  readonly read: (message: Message) => T;
}

function checked(
  incoming: Incoming,
  {
    app,
    issuer,
    place,
    kinds,
  }: Omit<Expected<never>, 'read'> & { readonly app: SamlApp; readonly issuer: string },
): Message {
  const { signing_certificates: keys = [] } = app.saml;
  const signed = keys.length > 0;
  const root = signed ? incoming.signedBy(keys) : readXml(incoming.text);
  if (root.ns !== NS.protocol || !kinds.includes(root.name) || issuerOf(root) !== issuer) throw unreadable();
  mustBeForUs(root, place, signed);
  return { app, root, relayState: incoming.relayState, signed };
}

/** The app of a client that may act now, or the refusal that there is none. */
export function actingApp(client: Client | undefined): SamlApp {
  const app = client && mayAct({ client }) ? samlAppOf(client) : undefined;
  if (!app) throw unavailable();
  return app;
}

const issuerOf = (root: XmlElement) => childOf(root, NS.assertion, 'Issuer')?.text ?? '';

function mustBeForUs({ attributes }: XmlElement, place: string, signed: boolean): void {
  const { Version, ID: id = '', IssueInstant: issued = '', Destination: to } = attributes;
  if (Version !== '2.0' || !ID.test(id) || !UTC.test(issued)) throw unreadable();
  const age = Date.now() - Date.parse(issued);
  if (!(age > -EARLY_MS && age < OLD_MS)) {
    throw new Refusal('invalid', 'saml_too_old', 'This request has expired. Start again from the app.');
  }
  /* What is signed for somebody else must not be of any use here (Bindings §3.4.5.2, §3.5.5.2). */
  if (to === undefined || to === '' ? signed : to !== place) throw misdirected('saml_destination');
}
