import type Router from '@koa/router';
import { appRoutes } from './journeys/apps/pages.js';
import { callbackRoutes } from './journeys/commands/callback.js';
import { deviceRoutes } from './journeys/device-grant/pages.js';
import { federationRoutes } from './journeys/federated/callback.js';
import { samlRoutes } from './journeys/federated/signing-out.js';
import { trialRoutes } from './journeys/federated/trial.js';
import { mailboxRoutes } from './journeys/home/mailbox.js';
import { homeRoutes } from './journeys/home/pages.js';
import { interactionRoutes } from './journeys/interaction-routes.js';
import type { Parts } from './journeys/journey.js';
import { accountRoutes } from './journeys/manage/routes.js';
import { unsubscribeRoutes } from './journeys/messages/unsubscribe.js';
import { moveRoutes } from './journeys/move/pages.js';
import { objectionRoutes } from './journeys/notices/objection.js';
import { relatedOriginRoutes } from './journeys/passkey/related-origins.js';
import { deletionRoutes } from './journeys/privacy/deletion/pages.js';
import { agentRoutes } from './journeys/privacy/rights/agent.js';
import { receiptRoutes } from './journeys/receipts/verify.js';
import { recoveryRoutes } from './journeys/recovery/entry.js';
import { operatorRoutes } from './journeys/reports/api.js';
import { type AccessParts, accessRoutes } from './oidc/access.js';
import { signOnRoutes } from './saml/saml.js';

/** What some routes take beside the parts. */
export interface RouteParts extends Pick<AccessParts, 'claims'> {
  /** The example application, outside production. */
  readonly tryUrl: string | undefined;
}

/** Every page, form and operation of our own, each by the journey that it belongs to. */
export function mountRoutes(router: Router, parts: Parts, more: RouteParts): void {
  interactionRoutes(router, parts);
  federationRoutes(router, parts);
  trialRoutes(router, parts);
  samlRoutes(router, parts);
  deviceRoutes(router, parts);
  appRoutes(router, parts);
  homeRoutes(router, parts, more.tryUrl);
  recoveryRoutes(router, parts);
  relatedOriginRoutes(router, parts);
  objectionRoutes(router, parts);
  moveRoutes(router, parts);
  accountRoutes(router, parts);
  operatorRoutes(router, parts);
  unsubscribeRoutes(router, parts);
  receiptRoutes(router, parts);
  deletionRoutes(router, parts);
  accessRoutes(router, { ...parts, claims: more.claims });
  signOnRoutes(router, parts);
  callbackRoutes(router, parts);
  agentRoutes(router, parts);
  if (!parts.production) mailboxRoutes(router, parts);
}
