import type Koa from 'koa';
import type Provider from 'oidc-provider';
import { errors, type Interaction } from 'oidc-provider';
import { Refusal } from '../platform/errors.js';
import type { Clause } from '../platform/storage/db.js';
import type { Actor, Fact } from '../platform/storage/work.js';
import type { Payload } from './artefacts.js';
import { QUESTION_PROMPT } from './questions.js';
import { type AccountSnapshot, requestScope } from './request-scope.js';
import { demandOfApp, type StrengthDemand } from './strength.js';

/** The app that asks, as pages may show it. */
export interface AskingApp {
  readonly clientId: string;
  readonly name: string;
  readonly logo: boolean;
  readonly verified: boolean;
  readonly firstParty: boolean;
  /** How long what it is allowed lasts, such as "365 days"; undefined until it is taken back. */
  readonly consentLasts: string | undefined;
  /** The claims that it declared it cannot do without; undefined where it declared nothing. */
  readonly requires: readonly string[] | undefined;
  readonly site: string | undefined;
  readonly policy: string | undefined;
  readonly terms: string | undefined;
}

/** How somebody proved who they are: the engine turns it into `acr`, `amr` and `auth_time`. */
export interface Authentication {
  readonly accountId: string;
  readonly acr: 'aal1' | 'aal2' | 'phr';
  /** RFC 8176. */
  readonly amr: readonly string[];
  /** When that was, if not just now. */
  readonly at?: Date;
  /** Since when they are known to be signed in, where that is longer ago: what `auth_time` says. */
  readonly since?: Date;
  /** What their account knows the browser by from now on: a digest. */
  readonly known?: Buffer | undefined;
  /** The session at an identity provider that they came by. */
  readonly there?: string | undefined;
  /**
   * Nothing of their account was changed since it was read with the pending request, so that this can go on at once; and whether
   * their browser came by a name.
   */
  readonly asRead?: { readonly named: boolean } | undefined;
}

/** A request that waits for a person, in the browser that began it. */
export interface PendingRequest {
  readonly uid: string;
  readonly prompt: { readonly name: string; readonly reasons: readonly string[]; readonly details: Payload };
  readonly params: Payload;
  readonly app: AskingApp;
  /** Where the app takes the person back: validated by the engine, or registered. */
  readonly redirectUri: string;
  /** Who is signed in so far, in this browser or earlier in this request. */
  readonly accountId: string | undefined;
  readonly acr: string | undefined;
  /** More than a password that the app asks for; who signs in may owe it as well (`withRole`). */
  readonly demand: StrengthDemand | undefined;
  /** What was settled earlier on the way of this request, e.g. the sign-in before the consent. */
  readonly settled: Payload;
  /** The journey's own notes; nothing of them outlives the request. */
  readonly progress: Payload;
  /** What was asked for along with it. */
  readonly along: Payload | null | undefined;
}

/** All that journeys may know and do about a pending request. */
export interface Interactions {
  /** The pending request of this browser under `/interaction/:uid`, or a refusal; with what a query on its row finds, `i`. */
  current(ctx: Koa.Context, uid: string, along?: string): Promise<PendingRequest>;
  remember(pending: PendingRequest, progress: Payload): void;
  /** Each answers with the address where the request goes on, once the answer is on record. */
  signIn(ctx: Koa.Context, authentication: Authentication, more?: Payload): Promise<string>;
  consent(ctx: Koa.Context): Promise<string>;
  /** All that was to be asked is over, answered or not. */
  asked(ctx: Koa.Context): Promise<string>;
  /** Goes on as somebody who is signed in here. */
  choose(ctx: Koa.Context, accountId: string): Promise<string>;
  refuse(ctx: Koa.Context, error: string, description: string): Promise<string>;
  account(pending: PendingRequest): Promise<AccountSnapshot | undefined>;
  /** Writes what another room leaves in the very statement of this request's flush; see `PendingWrites.along`. */
  along(clause: Clause, waits?: boolean): void;
  /** Records a fact with this request's flush, e.g. a failed try. */
  record(fact: Fact, actor: Actor): void;
}

/** Opens the seam between a provider's pending requests and the journeys. */
export function openInteractions(provider: Provider): Interactions {
  const find = async (ctx: Koa.Context): Promise<Interaction> => {
    try {
      return (await provider.interactionDetails(ctx.req, ctx.res)) as unknown as Interaction;
    } catch (cause) {
      if (!(cause instanceof errors.SessionNotFound)) throw cause;
      throw goneRefusal(ctx.cookies.get(provider.cookieName('interaction')) !== undefined, cause);
    }
  };
  return {
    current: async (ctx, uid, along) => {
      if (along !== undefined) requestScope().along.query = along;
      const interaction = await find(ctx);
      if (interaction.uid !== uid || !requestScope().begunHere(uid)) {
        throw new Refusal('missing', 'request_gone', 'This request was begun in another browser.');
      }
      return pendingOf(provider, interaction);
    },
    remember: (pending, progress) => requestScope().writes.setProgress(pending.uid, progress),
    signIn: async (ctx, authentication, more = {}) => {
      const { accountId, acr, amr, known, there, at = new Date(), since = at } = authentication;
      const interaction = await find(ctx);
      const ts = Math.floor(since.getTime() / 1000);
      record(interaction, authentication);
      const login = {
        accountId,
        acr,
        ts,
        provedAt: at.getTime(),
        ...(amr.length > 0 && { amr: [...amr] }),
        ...(known && { known: known.toString('hex') }),
        ...(there !== undefined && { there }),
      };
      const to = await provider.interactionResult(ctx.req, ctx.res, { login, ...more });
      const { asRead } = authentication;
      if (asRead) requestScope().goesOn = { interactionId: interaction.uid, accountId, to, ...asRead };
      return to;
    },
    choose: (ctx, accountId) =>
      provider.interactionResult(ctx.req, ctx.res, { select_account: { accountId } }),
    asked: ctx => provider.interactionResult(ctx.req, ctx.res, { [QUESTION_PROMPT]: {} }),
    consent: ctx => provider.interactionResult(ctx.req, ctx.res, { consent: {} }),
    refuse: (ctx, error, description) =>
      provider.interactionResult(
        ctx.req,
        ctx.res,
        { error, error_description: description },
        { mergeWithLastSubmission: false },
      ),
    account: async pending => (pending.accountId ? requestScope().account(pending.accountId) : undefined),
    along: (clause, waits) => requestScope().writes.along(clause, waits),
    record: (fact, actor) => requestScope().record(fact, actor),
  };
}

/* The cookie lives as long as the request may: one without its request was finished, here or in another tab. */
function goneRefusal(begunHere: boolean, cause: Error): Refusal {
  if (begunHere) return new Refusal('conflict', 'finished', 'This request is finished.', { cause });
  return new Refusal('missing', 'request_gone', 'This request has ended, or was begun in another browser.', {
    cause,
  });
}

function record(interaction: Interaction, { accountId, acr, amr }: Authentication): void {
  const clientId = String(interaction.params['client_id']);
  requestScope().record(
    { type: 'session.authenticated', accountId, clientId, detail: { acr, amr: [...amr] } },
    { kind: 'person', id: accountId },
  );
}

async function pendingOf(provider: Provider, interaction: Interaction): Promise<PendingRequest> {
  const params = interaction.params as Payload;
  const client = await provider.Client.find(String(params['client_id']));
  if (!client)
    throw new Refusal(
      'forbidden',
      'client_unavailable',
      'The application that asked is not available any more.',
    );
  const settled = (interaction.lastSubmission ?? {}) as Payload;
  const login = settled['login'] as { accountId?: string; acr?: string } | undefined;
  return {
    uid: interaction.uid,
    prompt: {
      name: interaction.prompt.name,
      reasons: interaction.prompt.reasons,
      details: interaction.prompt.details as Payload,
    },
    params,
    app: {
      clientId: client.clientId,
      name: client.clientName ?? client.clientId,
      logo: Boolean(client.logoUri),
      verified: client['verified'] === true,
      firstParty: client['first_party'] === true,
      consentLasts: client['consent_lasts'] as string | undefined,
      requires: client['purposes']
        ? ((client['required_claims'] as readonly string[] | undefined) ?? [])
        : undefined,
      site: client.clientUri,
      policy: client.policyUri,
      terms: client.tosUri,
    },
    redirectUri: String(client['comes_back_to'] ?? params['redirect_uri'] ?? ''),
    accountId: login?.accountId ?? interaction.session?.accountId,
    acr: login?.acr ?? interaction.session?.acr,
    demand: demandOfApp(client, params),
    settled,
    progress: requestScope().progress(interaction.uid),
    along: requestScope().along.found,
  };
}
