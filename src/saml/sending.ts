import type Koa from 'koa';
import type { SamlApp } from './app.js';
import type { Why } from './names.js';
import type { SamlParts } from './parts.js';
import { samlPlaces } from './places.js';
import { type Addressed, assertion, response, type Statement } from './response.js';
import { encrypted, signed } from './signing.js';
import type { Written } from './xml.js';

/** Where a response goes, to which request. */
export interface Reply {
  readonly acs: string;
  readonly requestId: string | undefined;
  readonly relayState: string | undefined;
}

/** Tells an app who signed in: signed within, encrypted where it can read that, and signed as a whole. */
export async function sendStatement(
  ctx: Koa.Context,
  parts: SamlParts,
  { app, reply, statement }: { readonly app: SamlApp; readonly reply: Reply; readonly statement: Statement },
): Promise<void> {
  const to = addressed(parts, reply);
  const key = await parts.samlKeys.signing();
  const inner = signed(assertion(statement, to), key);
  const { encryption_certificate: certificate } = app.saml;
  const carries = certificate === undefined ? inner : await encrypted(inner, certificate);
  send(ctx, parts, { app, reply, message: signed(response(to, { carries }), key) });
}

/** Tells an app why there is nobody to tell it about. */
export async function sendUnmet(
  ctx: Koa.Context,
  parts: SamlParts,
  { app, reply, unmet }: { readonly app: SamlApp; readonly reply: Reply; readonly unmet: Why },
): Promise<void> {
  const message = response(addressed(parts, reply), { unmet });
  send(ctx, parts, { app, reply, message: signed(message, await parts.samlKeys.signing()) });
}

const addressed = ({ issuer }: SamlParts, { acs, requestId }: Reply): Addressed => ({
  issuer: samlPlaces(issuer).entityId,
  destination: acs,
  inResponseTo: requestId,
  at: new Date(),
});

interface Sent {
  readonly app: SamlApp;
  readonly reply: Reply;
  readonly message: Written;
}

function send(ctx: Koa.Context, { samlPages }: SamlParts, { app, reply, message }: Sent): void {
  const fields = [
    { name: 'SAMLResponse', value: Buffer.from(message.xml).toString('base64') },
    ...(reply.relayState === undefined ? [] : [{ name: 'RelayState', value: reply.relayState }]),
  ];
  samlPages.onward(ctx, { action: reply.acs, fields, app: app.name });
}
