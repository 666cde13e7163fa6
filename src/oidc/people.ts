import { isDeepStrictEqual } from 'node:util';
import type Koa from 'koa';
import type Provider from 'oidc-provider';
import { digest, randomToken } from '../platform/crypto/tokens.js';
import { Refusal } from '../platform/errors.js';
import type { Csrf } from '../platform/web/csrf.js';
import { mayAct } from './acting.js';
import type { Payload } from './artefacts.js';
import { namedPerson } from './named-person.js';
import { askedBy, mustStillBePushed, type Query } from './pushed-requests.js';
import { type AccountSnapshot, acting, requestScope } from './request-scope.js';
import type { SubjectOf } from './subjects.js';

/** Somebody who is signed in in this browser. */
export interface Person {
  readonly sessionUid: string;
  readonly accountId: string;
  readonly acr: string | undefined;
  readonly signedInAt: Date;
  readonly account: AccountSnapshot;
  /** The apps they have signed in to with this session. */
  readonly clientIds: readonly string[];
}

/** So many people fit into one browser: beyond that a list is no choice any more. */
export const MOST_PEOPLE = 10;

/** Who is signed in in the browser that asks, the latest sign-in first; only accounts that may act. */
export async function peopleHere(silent = false): Promise<readonly Person[]> {
  const scope = requestScope();
  const uids = await scope.people(silent);
  const people = await Promise.all(uids.map(uid => personOf(uid)));
  return people.filter(person => person !== undefined);
}

async function personOf(uid: string): Promise<Person | undefined> {
  const scope = requestScope();
  const session = await scope.sessionByUid(uid);
  const accountId = session?.['accountId'];
  if (!session || typeof accountId !== 'string') return undefined;
  const account = await scope.account(accountId);
  const signedIn = { session, account: acting(account), authenticatedAt: Number(session['loginTs'] ?? 0) };
  if (!account || !mayAct(signedIn)) return undefined;
  return {
    sessionUid: uid,
    accountId,
    acr: session['acr'] as string | undefined,
    signedInAt: new Date(Number(session['loginTs'] ?? 0) * 1000),
    account,
    clientIds: Object.keys((session['authorizations'] as object | undefined) ?? {}),
  };
}

/** Whose session a request means, once it was decided; the engine sees no other. */
interface Decision {
  readonly uid: string | undefined;
  /** Several people are here and nothing says which of them is meant. */
  readonly unclear: boolean;
}

const decisions = new WeakMap<object, Decision>();
const NOBODY: Decision = { uid: undefined, unclear: false };

/** Whether several people are here and the request does not say which of them it means. */
export function isUnclear(ctx: { readonly req: object }): boolean {
  return decisions.get(ctx.req)?.unclear ?? false;
}

interface SessionModel {
  get(ctx: object): Promise<unknown>;
  findByUid(uid: string): Promise<unknown>;
  instantiate(payload?: object): unknown;
}

/* The engine would look for one session in a cookie of its own; it is handed the one that the request means. */
function handOver(provider: Provider): void {
  const Session = provider.Session as unknown as SessionModel;
  Session.get = async (ctx: object) => {
    const { req, oidc } = ctx as { req: object; oidc?: { entity?: (kind: string, value: unknown) => void } };
    const uid = decisions.get(req)?.uid;
    const session = (uid === undefined ? undefined : await Session.findByUid(uid)) ?? Session.instantiate();
    oidc?.entity?.('Session', session);
    return session;
  };
}

const PEOPLE = 'keyhold_people';
const peopleCookie = ({ protocol }: URL) => (protocol === 'https:' ? `__Host-${PEOPLE}` : PEOPLE);
const FORM = 'keyhold_form';
const MONTH = 30 * 86_400_000;
const RESUMING = /^\/(?:authorize|device)\/([\w-]+)$/;
/* The page of the choice, by the address that the request was sent to, and its form. */
const CHOOSING = /^\/interaction\/[\w-]+(?:\/choose)?$/;
const SHAPE = /^[\w-]{43}$/;

/** Decides for each request of the protocol whose session it means, and keeps the engine's own cookie in the house. */
export function choosePeople(
  provider: Provider,
  csrf: Csrf,
  issuer: URL,
  subjectOf: SubjectOf,
): Koa.Middleware {
  handOver(provider);
  const secure = issuer.protocol === 'https:';
  const cookie = peopleCookie(issuer);
  const formCookie = secure ? `__Secure-${FORM}` : FORM;
  const formOptions = {
    signed: true,
    httpOnly: true,
    sameSite: 'lax',
    secure,
    path: '/end-session',
  } as const;

  return async (ctx, next) => {
    const scope = requestScope();
    const value = ctx.cookies.get(cookie, { signed: false });
    scope.browser.people = value !== undefined && SHAPE.test(value) ? digest(value) : undefined;
    const form = csrf.browser(ctx);
    scope.browser.form = form === undefined ? undefined : digest(form);

    scope.browser.choosing =
      CHOOSING.test(ctx.path) && (ctx.query['way'] === 'choose' || ctx.method === 'POST');

    const resuming = ctx.method === 'POST' ? undefined : RESUMING.exec(ctx.path)?.[1];
    if (ctx.path === '/authorize') {
      scope.browser.form ??= digest(csrf.openBrowser(ctx));
      decisions.set(ctx.req, await meantBy(provider, await askedBy(ctx.query), subjectOf));
    } else if (resuming) {
      mustBeNamedByCookie(provider, ctx, resuming);
      const uid = await scope.resume(resuming);
      await mustBeBegunHere(resuming);
      await resumeAs(ctx, issuer, { interactionId: resuming, uid });
    } else if (ctx.path === '/end-session') {
      const decision = await meantToLeave(provider, ctx.query, subjectOf);
      decisions.set(ctx.req, decision);
    } else if (ctx.path === '/end-session/confirm') {
      const uid = ctx.cookies.get(formCookie, { signed: true });
      decisions.set(ctx.req, { uid: uid && (await mayLeave(uid)) ? uid : undefined, unclear: false });
    }
    await next();
    if (ctx.path === '/end-session') rememberForm(ctx, formCookie, formOptions);
    withholdEngineCookie(provider, ctx);
  };
}

/**
 * Decides whose session a request of this browser means that resumes, and gives the browser a new name where somebody has just
 * signed in there. `uid` is the session there of whoever answered, if they have one.
 */
export async function resumeAs(
  ctx: Koa.Context,
  issuer: URL,
  { interactionId, uid }: { readonly interactionId: string; readonly uid?: string | undefined },
): Promise<void> {
  decisions.set(ctx.req, { uid, unclear: uid === undefined && (await isOpenToAll(interactionId)) });
  if (!(await comesToLiveHere(interactionId, uid))) return;
  mustHaveRoom(uid);
  const name = randomToken();
  requestScope().browser.renamed = digest(name);
  const secure = issuer.protocol === 'https:';
  const options = { signed: false, httpOnly: true, sameSite: 'lax', secure, maxAge: MONTH } as const;
  ctx.cookies.set(peopleCookie(issuer), name, options);
}

/* The engine goes by its cookie alone: one that another site of the same domain planted may name another request. */
function mustBeNamedByCookie(provider: Provider, ctx: Koa.Context, interactionId: string): void {
  const named = ctx.cookies.get(provider.cookieName('resume'), { signed: true });
  if (named !== undefined && named !== interactionId) throw new Refusal(...NOT_HERE);
}

const NOT_HERE = ['forbidden', 'request_gone', 'This request was begun in another browser.'] as const;

async function mustBeBegunHere(interactionId: string): Promise<void> {
  const scope = requestScope();
  const interaction = await scope.find('Interaction', interactionId);
  if (!interaction) return;
  if (scope.begunHere(interactionId)) return mustStillBePushed(interaction);
  throw new Refusal(...NOT_HERE);
}

async function meantBy(provider: Provider, query: Query, subjectOf: SubjectOf): Promise<Decision> {
  const silent = query['prompt'] === 'none';
  const people = await peopleHere(silent);
  if (people.length === 0) return NOBODY;
  const named = await namedPerson(provider, query, people, subjectOf);
  if (named.named) return { uid: named.person?.sessionUid, unclear: false };
  if (people.length === 1) return { uid: people[0]?.sessionUid, unclear: false };
  return { uid: undefined, unclear: true };
}

interface Answers {
  readonly login?: object;
  readonly select_account?: object;
  readonly consent?: object;
}

function mustHaveRoom(uid: string | undefined): void {
  if (uid !== undefined || (requestScope().browser.crowd ?? 0) < MOST_PEOPLE) return;
  throw new Refusal('conflict', 'browser_full', 'There is no room for another person in this browser.');
}

/* A device's request begins with its resumption: nobody has answered yet, nor was anybody meant. */
async function isOpenToAll(interactionId: string): Promise<boolean> {
  const interaction = await requestScope().find('Interaction', interactionId);
  const begins =
    interaction?.['deviceCode'] !== undefined && !interaction['result'] && !interaction['session'];
  return begins && (await peopleHere()).length > 1;
}

/** Whose session a device's request means in the browser that claims it. */
export async function meantByDevice(
  provider: Provider,
  params: Payload,
  subjectOf: SubjectOf,
): Promise<string | undefined> {
  return (await meantBy(provider, params as Query, subjectOf)).uid;
}

/* A request that resumes with a new answer of somebody: rewritten to be about them, so that nobody else's session is touched. */
async function comesToLiveHere(interactionId: string, uid: string | undefined): Promise<boolean> {
  const scope = requestScope();
  const interaction = await scope.find('Interaction', interactionId);
  const result = (interaction?.['result'] ?? {}) as Answers;
  const before = (interaction?.['lastSubmission'] ?? {}) as Answers;
  const isNew = (answer: 'login' | 'select_account') =>
    result[answer] !== undefined && !isDeepStrictEqual(result[answer], before[answer]);
  const signsIn = isNew('login');
  if (signsIn) Object.assign(scope.browser, { known: knownBy(result.login), there: thereBy(result.login) });
  const session = uid === undefined ? undefined : await scope.sessionByUid(uid);
  if (result.login && (await isOutdated(result.login, !signsIn && session === undefined))) {
    scope.rewrite(interactionId, { session: undefined, result: {} });
    return false;
  }
  if (!interaction || !(signsIn || isNew('select_account'))) return false;
  const about = (interaction['session'] as Payload | undefined)?.['accountId'];
  const { consent, ...others } = result;
  scope.rewrite(interactionId, {
    session: session && {
      accountId: session['accountId'],
      uid,
      cookie: session['jti'],
      acr: session['acr'],
      amr: session['amr'],
    },
    result: about !== undefined && about !== session?.['accountId'] ? others : result,
  });
  return signsIn;
}

interface ProvedLogin {
  readonly accountId?: string;
  readonly provedAt?: number;
  readonly known?: string;
  readonly there?: string;
}

function knownBy(login: object | undefined): Buffer | undefined {
  const { known } = (login ?? {}) as ProvedLogin;
  return known === undefined ? undefined : Buffer.from(known, 'hex');
}

const thereBy = (login: object | undefined) => (login as ProvedLogin | undefined)?.there;

/*
 * A sign-in that waited while its person was turned off or the account's proofs were outdated, or whose session has ended since it went on for the
 * first time, signs nobody in: the person is asked again.
 */
async function isOutdated(login: object, ended: boolean): Promise<boolean> {
  const { accountId, provedAt = 0 } = login as ProvedLogin;
  if (ended) return true;
  const account = await requestScope().account(String(accountId));
  return !mayAct({ account: acting(account), provedAt });
}

async function meantToLeave(provider: Provider, query: Query, subjectOf: SubjectOf): Promise<Decision> {
  const people = await peopleHere();
  if (people.length === 0) return NOBODY;
  const { logout_hint, ...rest } = query;
  const named = await namedPerson(provider, { ...rest, login_hint: logout_hint }, people, subjectOf);
  if (named.named) return { uid: named.person?.sessionUid, unclear: false };
  if (people.length === 1) return { uid: people[0]?.sessionUid, unclear: false };
  return { uid: undefined, unclear: true };
}

/* The page's form belongs to one session: that of somebody here, or the nameless one that the page itself needed. */
async function mayLeave(uid: string): Promise<boolean> {
  const session = await requestScope().sessionByUid(uid);
  if (!session) return false;
  return session['accountId'] === undefined || (await requestScope().people(false)).includes(uid);
}

interface EngineContext {
  readonly oidc?: { readonly session?: { readonly uid?: string } };
}

function rememberForm(ctx: Koa.Context, name: string, options: object): void {
  const uid = (ctx as unknown as EngineContext).oidc?.session?.uid;
  if (uid !== undefined) ctx.cookies.set(name, uid, options);
}

function withholdEngineCookie(provider: Provider, ctx: Koa.Context): void {
  const name = provider.cookieName('session');
  const sent = [ctx.res.getHeader('Set-Cookie') ?? []].flat().map(String);
  const ours = sent.filter(value => !value.startsWith(`${name}=`) && !value.startsWith(`${name}.sig=`));
  if (ours.length === sent.length) return;
  if (ours.length === 0) ctx.res.removeHeader('Set-Cookie');
  else ctx.res.setHeader('Set-Cookie', ours);
}
