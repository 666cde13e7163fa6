import type { ClientCache } from '../domain/clients/clients.js';
import { mayAct } from '../oidc/acting.js';
import type { TellLoggedOut } from '../oidc/clients.js';
import type { SubjectOf } from '../oidc/subjects.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import type { Outbound } from '../platform/outbound.js';
import type { Db } from '../platform/storage/db.js';
import { samlAppOf } from './app.js';
import type { SamlKeys } from './keys.js';
import { BINDING, NS, STATUS } from './names.js';
import { nameFor } from './person.js';
import { samlPlaces } from './places.js';
import { logoutRequest } from './response.js';
import { nameTold } from './shares.js';
import { signed } from './signing.js';
import { allOf, childOf, readXml, xml } from './xml.js';

/** What telling apps directly works with. */
export interface TellingParts {
  readonly db: Db;
  readonly clients: Pick<ClientCache, 'find'>;
  readonly keyring: Keyring;
  readonly issuer: URL;
  readonly outbound: Outbound;
  readonly subjectOf: SubjectOf;
  readonly samlKeys: SamlKeys;
}

const LONGEST = 65_536;

/** Tells an app that takes it by SOAP (Bindings §3.2) that a session is over; throws when it did not take it. */
export function tellBySoap(parts: TellingParts): TellLoggedOut {
  const { db, clients, samlKeys, issuer, outbound } = parts;
  return async (clientId, accountId, sid) => {
    const client = await clients.find(clientId);
    const app = client && mayAct({ client }) ? samlAppOf(client) : undefined;
    const to = app?.saml.logout?.find(({ binding }) => binding === 'soap')?.url;
    if (!app || to === undefined) return;
    const format = (await nameTold(db, { accountId, clientId, sid })) ?? app.saml.name_id ?? 'persistent';
    const email = format === 'email' ? await addressOf(db, accountId) : undefined;
    const nameId = nameFor(app, format, { accountId, sid, email }, parts);
    if (!nameId) return;
    const message = logoutRequest(
      { issuer: samlPlaces(issuer).entityId, destination: to, inResponseTo: undefined, at: new Date() },
      { nameId, audience: app.saml.entity_id, sessionIndex: sid },
    );
    const request = signed(message, await samlKeys.signing());
    const answer = await outbound.fetch(to, {
      method: 'POST',
      headers: { 'Content-Type': 'text/xml; charset=utf-8', SOAPAction: `"${BINDING.soap}"` },
      body: xml`<soap:Envelope xmlns:soap="${NS.soap}"><soap:Body>${request}</soap:Body></soap:Envelope>`.xml,
      maxBytes: LONGEST,
    });
    mustBeTaken(answer.status, await answer.text());
  };
}

/* The channel is the app's own address: what it answers there counts (Profiles §4.4.3.4). */
function mustBeTaken(status: number, text: string): void {
  const [answer] = status === 200 ? [...allOf(readXml(text), NS.protocol, 'LogoutResponse')] : [];
  const said = answer && childOf(answer, NS.protocol, 'Status');
  const code = said && childOf(said, NS.protocol, 'StatusCode');
  if (code?.attributes['Value'] !== STATUS.success)
    throw new Error('the app did not take the end of a session');
}

async function addressOf(db: Db, accountId: string): Promise<string | undefined> {
  const { rows } = await db.raw<{ rows: { address: string | null }[] }>(
    `SELECT email ->> 'address' AS address FROM account_snapshots WHERE account_id = ?`,
    [accountId],
  );
  return rows[0]?.address ?? undefined;
}
