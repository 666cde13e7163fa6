import type { ConsentParty, ConsentTerms } from '../../domain/consents/consents.js';
import { type ProfileSchema, sourceOf } from '../../domain/profiles/profiles.js';
import { type Party, type Purpose, secondsOf } from '../../domain/purposes/purposes.js';
import type { AskingApp } from '../../oidc/interaction.js';
import type { Wanted } from './asks.js';

/** Under which terms an app asks: everything that goes on record beside the words of the page. */
export interface AskedTerms extends Omit<ConsentTerms, 'wording' | 'validUntil' | 'renews'> {
  /** Seconds that the answer lasts, where it ends by itself. */
  readonly lasts: number | undefined;
}

/** What asking is done with. */
export interface Asking {
  readonly app: Pick<AskingApp, 'clientId' | 'name' | 'consentLasts'>;
  readonly schema: ProfileSchema;
  readonly issuer: URL;
  /** Who runs this installation, where a purpose names nobody else. */
  readonly house: string;
}

/** The terms under which these things are asked for: those of the purposes that they are held for. */
export function termsOf(wanted: Wanted, { app, schema, issuer, house }: Asking): AskedTerms {
  const purposes = purposesOf(wanted, schema);
  const parties = (who: (purpose: Purpose) => readonly Party[]) => once(purposes.flatMap(who));
  const controllers = parties(({ controllers: named = [] }) => named);
  const recipients = parties(({ recipients: named = [] }) => named.filter(one => one !== 'apps'));
  return {
    notices: Object.fromEntries(purposes.map(({ id }) => [id, versionOf(schema, id)])),
    controllers: controllers.length > 0 ? controllers : [{ name: house }],
    recipients: [{ name: app.name, client_id: app.clientId }, ...recipients],
    retention: Object.fromEntries(purposes.map(({ id, retention }) => [id, retention])),
    jurisdiction: [...new Set(purposes.flatMap(({ jurisdiction = [] }) => jurisdiction))].sort(),
    withdrawal: new URL(`/account/apps/${encodeURIComponent(app.clientId)}`, issuer).href,
    lasts: shortest([app.consentLasts, ...purposes.map(({ consent_lasts }) => consent_lasts)]),
  };
}

/** The purposes of what is asked for, in the order of the declaration. */
export function purposesOf(
  { scopes, required, optional, uses = [] }: Pick<Wanted, 'scopes' | 'required' | 'optional' | 'uses'>,
  schema: ProfileSchema,
): readonly Purpose[] {
  const named = new Set([...required, ...optional].map(claim => sourceOf(schema, claim)));
  const asked = schema.attributes.filter(
    ({ name, scope, see }) =>
      see.includes('apps') && ((scope !== undefined && scopes.includes(scope)) || named.has(name)),
  );
  const ids = new Set([...asked.map(({ purpose }) => purpose), ...uses]);
  return schema.purposes.filter(({ id }) => ids.has(id));
}

function versionOf({ notices = [] }: ProfileSchema, id: string): number {
  return notices.find(({ purpose }) => purpose === id)?.version ?? 1;
}

function once(parties: readonly Party[]): readonly ConsentParty[] {
  return [...new Map(parties.map(party => [JSON.stringify(party), party])).values()];
}

function shortest(spans: readonly (string | undefined)[]): number | undefined {
  const lengths = spans.flatMap(span => (span === undefined ? [] : [secondsOf(span)]));
  return lengths.length > 0 ? Math.min(...lengths) : undefined;
}
