import type Koa from 'koa';
import type { PasswordHasher, RelyingParty } from '../domain/credentials/credentials.js';
import type { Federation } from '../domain/federation/federation.js';
import type { ProfileSchema } from '../domain/profiles/profiles.js';
import type { NoteReplay, Protection } from '../domain/protection/protection.js';
import type { Claims } from '../oidc/claims.js';
import type { DeviceCodes } from '../oidc/device-codes.js';
import type { Disclosing } from '../oidc/disclosing.js';
import type { Interactions, PendingRequest } from '../oidc/interaction.js';
import type { Engine } from '../oidc/provider.js';
import type { SubjectOf } from '../oidc/subjects.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import type { Places } from '../platform/places.js';
import type { Db, StatementPool } from '../platform/storage/db.js';
import { openWork } from '../platform/storage/work.js';
import type { Assets } from '../platform/web/assets.js';
import type { Csrf } from '../platform/web/csrf.js';
import { allowFormTarget } from '../platform/web/headers.js';
import type { Pages } from '../platform/web/pages.js';
import type { Renderer } from '../platform/web/render.js';
import { visitOf } from '../platform/web/surface.js';
import type { SamlKeys } from '../saml/keys.js';
import type { SamlPages } from '../saml/parts.js';
import type { PageModels } from './page-models.js';

/** What every journey works with; `app.ts` opens each once. */
export interface Parts {
  readonly issuer: URL;
  readonly production: boolean;
  readonly emailCodeSignIn: boolean;
  /** Whoever has one of these roles must have a second factor. */
  readonly secondStepRoles: readonly string[];
  /** Where text messages go to, and how many in a day; undefined where none can be sent. */
  readonly sms: { readonly countries: readonly string[] | '*'; readonly perDay: number } | undefined;
  readonly db: Db;
  /** For statements that many requests wait for: named, and planned once. */
  readonly pool: StatementPool;
  readonly keyring: Keyring;
  readonly provider: Engine;
  readonly interactions: Interactions;
  readonly devices: DeviceCodes;
  readonly subjectOf: SubjectOf;
  readonly hasher: PasswordHasher;
  readonly protection: Protection;
  readonly noteReplay: NoteReplay;
  readonly pages: Pages;
  readonly renderer: Renderer;
  readonly places: Places;
  readonly csrf: Csrf;
  readonly assets: Pick<Assets, 'url'>;
  readonly rp: RelyingParty;
  /** Hours that somebody waits who has lost their phone. */
  readonly lostPhoneWait: number;
  /** Days for which a deletion can be undone. */
  readonly deletionWait: number;
  /** Where people turn to whom no page can help. */
  readonly support: URL | undefined;
  /** What is known about people and why, as it stands. */
  readonly profile: ProfileSchema;
  readonly disclosing: Disclosing;
  readonly federation: Federation;
  readonly claims: Claims;
  readonly samlKeys: SamlKeys;
  readonly samlPages: SamlPages;
}

/** Answers with one of our pages. */
export function show<Name extends keyof PageModels>(
  ctx: Koa.Context,
  parts: Pick<Parts, 'pages'>,
  name: Name,
  model: PageModels[Name] & { readonly here?: string },
): void {
  parts.pages.show(ctx, name, model);
}

/**
 * The pending request that a route's `:uid` names; its language wish and its redirect apply to the page. What is wanted `along`
 * is a query on its row, `i`.
 */
export async function pendingRequest(
  ctx: Koa.Context,
  parts: Parts,
  along?: string,
): Promise<PendingRequest> {
  const { uid } = ctx['params'] as { readonly uid: string };
  const pending = await parts.interactions.current(ctx, uid, along);
  const wish = pending.params['ui_locales'];
  if (typeof wish === 'string') ctx.state['uiLocales'] = wish;
  ctx.state['clientId'] = pending.app.clientId;
  if (pending.redirectUri) allowFormTarget(ctx, pending.redirectUri);
  return pending;
}

/** Puts on record that something that is used once came again, or where it was not made for; also when a refusal follows. */
export async function noteReplay(
  ctx: Koa.Context,
  parts: Pick<Parts, 'noteReplay' | 'db'>,
  kind: string,
  about: { readonly clientId?: string; readonly accountId?: string | undefined } = {},
): Promise<void> {
  const fact = await parts.noteReplay({ kind, address: visitOf(ctx).address, ...about });
  if (fact) await openWork(parts.db, { kind: 'person' }, async work => work.record(fact));
}

/** The app that asks, as the pages of its request show it. */
export function badgeOf({ app }: PendingRequest): { readonly name: string; readonly logo?: string } {
  return { name: app.name, ...(app.logo && { logo: `/clients/${encodeURIComponent(app.clientId)}/logo` }) };
}

/** RFC 9110 §15.4.4: after a post, always with GET. */
export function seeOther(ctx: Koa.Context, location: string): void {
  ctx.redirect(location);
  ctx.status = 303;
}
