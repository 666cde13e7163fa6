import { changeConsent, type LiveConsent } from '../../../domain/consents/consents.js';
import { derivedClaims } from '../../../domain/profiles/profiles.js';
import { type Purpose, sayIn } from '../../../domain/purposes/purposes.js';
import { openWork } from '../../../platform/storage/work.js';
import { withholdClaims } from '../../consent/tell-of-end.js';
import { termsOf } from '../../consent/terms.js';
import { withdrawFromApp } from '../../consent/withdraw.js';
import type { Parts } from '../../journey.js';
import { tellEveryone } from '../../notices/tell.js';
import { countHere } from '../contacts/limits.js';
import type { Asker } from '../contacts/mine.js';

/** One thing about a person that an app asked for, and whether it may have it. */
export interface Choice {
  readonly claim: string;
  /** The scope that it comes with; undefined for one that the app named. */
  readonly scope: string | undefined;
  readonly label: string;
  readonly purpose: Purpose | undefined;
  readonly allowed: boolean;
}

/** All that can be allowed and refused one by one of what an app asked for. */
export function choicesOf(
  { profile }: Pick<Parts, 'profile'>,
  { scopes, claims, refusedClaims }: Pick<LiveConsent, 'scopes' | 'claims' | 'refusedClaims'>,
  language: string,
  say: (key: string) => string = key => key,
): readonly Choice[] {
  const told = profile.attributes.filter(({ see }) => see.includes('apps'));
  const comes = told.flatMap(({ name, scope }) =>
    scope !== undefined && scopes.includes(scope) ? [name] : [],
  );
  const named = [...claims, ...refusedClaims].filter(claim => !comes.includes(claim)).sort();
  return [...comes, ...new Set(named)].map(claim => {
    const derived = derivedClaims(profile).find(({ name }) => name === claim);
    const attribute = derived?.from ?? told.find(({ name }) => name === claim);
    const label = attribute ? sayIn(attribute.label, language) : claim;
    const inScope = comes.includes(claim);
    return {
      claim,
      scope: inScope ? attribute?.scope : undefined,
      label: derived ? say(`disclosures.derived.${derived.name}`) : label,
      purpose: profile.purposes.find(({ id }) => id === attribute?.purpose),
      allowed: inScope ? !refusedClaims.includes(claim) : claims.includes(claim),
    };
  });
}

/** What the name of a use begins with, among the names of claims. */
export const USE = 'use:';

/** The uses of data that an app asked for, each to be allowed and refused by itself. */
export function usesOf(
  { profile }: Pick<Parts, 'profile'>,
  { uses, refusedUses }: Pick<LiveConsent, 'uses' | 'refusedUses'>,
  language: string,
): readonly (Choice & { readonly purpose: Purpose })[] {
  const asked = profile.purposes.filter(({ id }) => uses.includes(id) || refusedUses.includes(id));
  return asked.map(purpose => ({
    claim: `${USE}${purpose.id}`,
    scope: undefined,
    label: sayIn(purpose.name, language),
    purpose,
    allowed: uses.includes(purpose.id),
  }));
}

const DAYS = [30, 90, 365] as const;

/** The ends that a person can choose: none that is later than the terms let it be. */
export interface Ends {
  readonly days: readonly number[];
  /** It may last until it is taken back. */
  readonly never: boolean;
}

/** Which ends there are for what an app may have. */
export function endsOf(parts: Pick<Parts, 'profile' | 'issuer' | 'rp'>, app: LiveConsent): Ends {
  const { lasts } = termsFor(parts, app);
  return {
    days: DAYS.filter(days => lasts === undefined || days * 86_400 <= lasts),
    never: lasts === undefined,
  };
}

function termsFor({ profile, issuer, rp }: Pick<Parts, 'profile' | 'issuer' | 'rp'>, app: LiveConsent) {
  const { clientId, name, lasts, scopes, claims, refusedClaims, uses, refusedUses } = app;
  const wanted = {
    scopes,
    required: [],
    optional: [...claims, ...refusedClaims],
    resources: {},
    uses: [...uses, ...refusedUses],
  };
  const asking = { clientId, name, consentLasts: lasts };
  return termsOf(wanted, { app: asking, schema: profile, issuer, house: rp.name });
}

/** The latest end that the terms of an app let a consent have, said now; undefined when it need not end. */
export function latestEnd(
  parts: Pick<Parts, 'profile' | 'issuer' | 'rp'>,
  app: LiveConsent,
): Date | undefined {
  const { lasts } = termsFor(parts, app);
  return lasts === undefined ? undefined : new Date(Date.now() + lasts * 1_000);
}

/** What is changed of what an app may have. */
export interface Change {
  readonly app: LiveConsent;
  readonly allow: readonly string[];
  readonly refuse: readonly string[];
  /** Purposes that it may use data for, or no more. */
  readonly allowUses?: readonly string[];
  readonly refuseUses?: readonly string[];
  /** Null for as long as nobody takes it back; undefined leaves it as it is. */
  readonly until?: Date | null | undefined;
  readonly language: string;
  /** What stood on the page, word for word. */
  readonly wording?: string;
  readonly method: 'account' | 'api';
}

const HOUR = 3_600;
const OFTEN = {
  code: 'too_many_changes',
  message: 'What apps may have was changed very often just now. Please wait.',
};

/** Changes what an app may have, and tells its person; false when it is another by now than they saw. */
export async function saveChange(asker: Omit<Asker, 'place'>, change: Change): Promise<boolean> {
  const { parts, accountId, actor } = asker;
  const { app, until, ...said } = change;
  /* Each is told to every mailbox of theirs. Taking all back is never counted. */
  const limit = { name: 'consent-change', per: 'account', subject: accountId, max: 60, window: HOUR };
  await countHere(asker, [limit], OFTEN);
  const { lasts: _, notices: _now, ...terms } = termsFor(parts, app);
  const { clientId, id: seen } = app;
  return openWork(parts.db, actor, async work => {
    const asked = { accountId, clientId, seen, ...terms, ...said, ...(until !== undefined && { until }) };
    const changed = await changeConsent(work, asked);
    if (!changed) return false;
    withholdClaims(work, { accountId, clientId }, change.refuse);
    await tellEveryone(work, asker, { accountId, kind: 'consent_changed', values: { app: app.name } });
    return true;
  });
}

/** Takes back all that an app may have, and tells its person; says whether there was anything. */
export function takeBack(
  asker: Omit<Asker, 'place'>,
  app: Pick<LiveConsent, 'clientId' | 'name'>,
  method: Change['method'],
): Promise<boolean> {
  const { parts, accountId, actor } = asker;
  return openWork(parts.db, actor, async work => {
    if (!(await withdrawFromApp(work, { accountId, clientId: app.clientId, method }))) return false;
    await tellEveryone(work, asker, { accountId, kind: 'consent_withdrawn', values: { app: app.name } });
    return true;
  });
}
