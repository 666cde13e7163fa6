import type { Work } from '../../platform/storage/work.js';
import { type ConsentAnswers, type ConsentState, inOrder, isOver } from './consent.js';
import * as ledger from './ledger.js';
import * as store from './store.js';

/**
 * What the first of two consents to one app comes to if it allows no more than the other one does: what both allow, without what either
 * refuses, until the earlier of their ends.
 */
export function narrowerOf(
  one: ConsentState,
  other: ConsentState,
): ConsentAnswers & Pick<ConsentState, 'validUntil'> {
  const both = (of: (state: ConsentState) => readonly string[]) =>
    inOrder(of(one).filter(value => of(other).includes(value)));
  /* What only one allowed counts as left out: else the next request would bring it back unasked. */
  const left = (kept: readonly string[], ...of: readonly (readonly string[])[]) =>
    inOrder(of.flat().filter(value => !kept.includes(value)));
  const [scopes, claims, uses] = [both(s => s.scopes), both(s => s.claims), both(s => s.uses)];
  return {
    scopes,
    claims,
    uses,
    refusedScopes: left(scopes, one.refusedScopes, one.scopes),
    refusedClaims: left(claims, one.refusedClaims, one.claims, other.refusedClaims),
    refusedUses: left(uses, one.refusedUses, one.uses),
    resources: narrowerResources(one.resources, other.resources),
    validUntil: earlier(one.validUntil, other.validUntil),
  };
}

function narrowerResources(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(one).flatMap(([indicator, scopes]) => {
      const allowed = (other[indicator] ?? '').split(' ');
      const kept = scopes.split(' ').filter(scope => scope !== '' && allowed.includes(scope));
      return kept.length === 0 ? [] : [[indicator, kept.join(' ')]];
    }),
  );
}

function earlier(one: Date | undefined, other: Date | undefined): Date | undefined {
  if (!one || !other) return one ?? other;
  return one < other ? one : other;
}

/** Whether a consent allows no more than these answers do. */
export function isWithin(state: ConsentState, answers: ReturnType<typeof narrowerOf>): boolean {
  const within = (these: readonly string[], those: readonly string[]) =>
    these.every(each => those.includes(each));
  return (
    within(state.scopes, answers.scopes) &&
    within(state.claims, answers.claims) &&
    within(state.uses, answers.uses) &&
    /* Claims that come with a scope are refused by name. */
    within(answers.refusedClaims, state.refusedClaims) &&
    Object.entries(state.resources).every(([indicator, scopes]) => answers.resources[indicator] === scopes) &&
    state.validUntil?.getTime() === answers.validUntil?.getTime()
  );
}

/** Which consent is made narrower, and by what. */
export interface Narrowing {
  readonly accountId: string;
  readonly clientId: string;
  readonly to: ReturnType<typeof narrowerOf>;
  readonly method: string;
}

/**
 * Makes what an app is allowed narrower, for good: what is not in it any more is as if it had never been allowed. On record as taken
 * back, and allowed anew as far as it stays. Gives what stands then; undefined when there was nothing.
 */
export async function narrowConsent(
  work: Work,
  { accountId, clientId, to, method }: Narrowing,
): Promise<ConsentState | undefined> {
  await store.lockSubjects(work.tx, [accountId]);
  const was = await store.remove(work.tx, accountId, clientId);
  if (!was || isOver(was, work.at)) return undefined;
  const { id: _, givenAt: _g, language, notices, ...answers } = was;
  const said = { accountId, clientId, method, language };
  await ledger.append(
    work.tx,
    'withdrawn',
    ledger.entryOf(work, { ...said, ...answers, notices, validUntil: undefined }),
  );
  await ledger.insertAnswer(work.tx, ledger.entryOf(work, { ...said, ...to, notices }));
  const refuse = inOrder(
    [...was.scopes, ...was.claims].filter(v => !to.scopes.includes(v) && !to.claims.includes(v)),
  );
  const refuseUses = was.uses.filter(use => !to.uses.includes(use));
  work.record({
    type: 'consent.changed',
    accountId,
    clientId,
    detail: { allow: [], refuse, allow_uses: [], refuse_uses: refuseUses },
  });
  return store.find(work.tx, accountId, clientId);
}

/**
 * Lets an app have again what it was allowed before it was made narrower; false, and nothing is changed, where its person has said
 * anything about it since.
 */
export async function widenConsentAgain(
  work: Work,
  back: {
    readonly accountId: string;
    readonly clientId: string;
    /** The narrower one. */
    readonly seen: string;
    readonly before: ConsentState;
    readonly method: string;
  },
): Promise<boolean> {
  const { accountId, clientId, seen, method } = back;
  await store.lockSubjects(work.tx, [accountId]);
  const now = await store.find(work.tx, accountId, clientId);
  if (now?.id !== seen || isOver(now, work.at) || isOver(back.before, work.at)) return false;
  const { id: _, givenAt: _g, ...before } = back.before;
  await ledger.insertAnswer(work.tx, ledger.entryOf(work, { accountId, clientId, method, ...before }));
  const allow = [...before.scopes, ...before.claims].filter(v => ![...now.scopes, ...now.claims].includes(v));
  const allowUses = before.uses.filter(use => !now.uses.includes(use));
  const detail = { allow, refuse: [], allow_uses: allowUses, refuse_uses: [] };
  work.record({ type: 'consent.changed', accountId, clientId, detail });
  return true;
}
