import type Koa from 'koa';
import { type Person, peopleHere } from '../../oidc/people.js';
import type { Parts } from '../journey.js';
import type { ShownPerson } from '../page-models.js';
import { shown } from '../people.js';
import type { Authenticated } from './freshness.js';

/** Whose account a call is about, and how they proved that it is theirs: the same for pages and for apps. */
export interface Me extends Authenticated {
  readonly accountId: string;
  readonly sessionUid: string | undefined;
  /** Their account has a second factor, which sensitive acts need. */
  readonly secondStep: boolean;
}

/** The person in the browser. */
export interface MeHere extends Me {
  readonly sessionUid: string;
  readonly authenticatedAt: Date;
  readonly person: Person;
  /** As pages show them. */
  readonly shown: ShownPerson;
}

const MONTH = 30 * 86_400_000;

/* The browser's people are found by another cookie: this one only says who of them runs their account here. */
function cookieOf(parts: Pick<Parts, 'issuer'>) {
  const secure = parts.issuer.protocol === 'https:';
  const name = secure ? '__Host-keyhold_account' : 'keyhold_account';
  return { name, options: { signed: true, httpOnly: true, sameSite: 'lax', secure } as const };
}

/** From now on the pages of the account are about this person, in every tab of this browser. */
export function remember(ctx: Koa.Context, parts: Pick<Parts, 'issuer'>, accountId: string): void {
  const { name, options } = cookieOf(parts);
  ctx.cookies.set(name, accountId, { ...options, maxAge: MONTH });
}

/** The pages of the account are about nobody any more. */
export function forget(ctx: Koa.Context, parts: Pick<Parts, 'issuer'>): void {
  const { name, options } = cookieOf(parts);
  if (ctx.cookies.get(name, { signed: false }) !== undefined) ctx.cookies.set(name, null, options);
}

/** Who is meant by a request for a page of the account. */
export interface Meant {
  readonly me: MeHere | undefined;
  /** Without `me`: somebody else is signed in here, who must not be taken for whoever was here before. */
  readonly others: boolean;
}

/**
 * Finds who is meant: whom the account's pages were about so far, while they are signed in here; else whoever is alone
 * here. Never anybody in the place of somebody else.
 */
export async function whoIsMeant(ctx: Koa.Context, parts: Parts): Promise<Meant> {
  const people = await peopleHere();
  const { name } = cookieOf(parts);
  const chosen = ctx.cookies.get(name, { signed: true });
  const alone = people.length === 1 ? people[0] : undefined;
  const person = chosen === undefined ? alone : people.find(({ accountId }) => accountId === chosen);
  if (!person) return { me: undefined, others: people.length > 0 };
  if (chosen === undefined) remember(ctx, parts, person.accountId);
  return { me: meOf(person), others: people.length > 1 };
}

function meOf(person: Person): MeHere {
  const { accountId, sessionUid, acr, signedInAt: authenticatedAt } = person;
  const secondStep = person.account.second_step;
  return { accountId, sessionUid, acr, authenticatedAt, secondStep, person, shown: shown(person) };
}

/** Whether somebody has a second factor that sensitive acts need. */
export function secondFactorOf({ secondStep }: Pick<Me, 'secondStep'>): 'none' | 'has' {
  return secondStep ? 'has' : 'none';
}
