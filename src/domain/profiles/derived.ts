import { type Attribute, isKept } from './attribute.js';
import type { ProfileSchema } from './schema.js';

/** What can be told instead of a value, each a word under `ask.*`. */
export const DERIVED = ['age_over_13', 'age_over_16', 'age_over_18', 'age_over_21', 'country'] as const;

/** A claim that says less than the value it comes from. */
export type Derived = (typeof DERIVED)[number];

const FROM: Readonly<Record<Derived, { readonly name: string; readonly type: string }>> = {
  age_over_13: { name: 'birthdate', type: 'date' },
  age_over_16: { name: 'birthdate', type: 'date' },
  age_over_18: { name: 'birthdate', type: 'date' },
  age_over_21: { name: 'birthdate', type: 'date' },
  country: { name: 'address', type: 'address' },
};

/** The derived claims of a declaration, each with the attribute it comes from; one of the same name is meant itself. */
export function derivedClaims({
  attributes,
}: Pick<ProfileSchema, 'attributes'>): readonly { readonly name: Derived; readonly from: Attribute }[] {
  const taken = new Set<string>(attributes.map(({ name }) => name));
  return DERIVED.filter(name => !taken.has(name)).flatMap(name => {
    const { name: source, type } = FROM[name];
    const from = attributes.find(each => each.name === source && isKept(each) && each.type === type);
    return from?.see.includes('apps') ? [{ name, from }] : [];
  });
}

/** The attribute that a claim comes from: for most it is the one of that name. */
export function sourceOf(schema: Pick<ProfileSchema, 'attributes'>, claim: string): string {
  return derivedClaims(schema).find(({ name }) => name === claim)?.from.name ?? claim;
}

/** What these claims are of somebody at a moment; what cannot be told is left out, and never guessed. */
export function deriveFrom(
  profile: Readonly<Record<string, unknown>>,
  names: readonly Derived[],
  at: Date,
): Readonly<Record<string, boolean | string>> {
  const derived = names.map(name => [name, derive(profile, name, at)] as const);
  return Object.fromEntries(derived.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

function derive(profile: Readonly<Record<string, unknown>>, name: Derived, at: Date) {
  if (name === 'country') return countryIn(profile['address']);
  const born = profile['birthdate'];
  return typeof born === 'string' ? isOver(Number(name.slice(-2)), born, at) : undefined;
}

function countryIn(address: unknown): string | undefined {
  if (typeof address !== 'object' || address === null || !('country' in address)) return undefined;
  const { country } = address;
  return typeof country === 'string' && country !== '' ? country : undefined;
}

/*
 * OpenID Connect Core §5.1: the year may be unknown, as 0000, and then so is the age. It is the day of UTC that counts, and
 * who was born on 29 February is a year older on 1 March.
 */
function isOver(years: number, born: string, at: Date): boolean | undefined {
  const [, year = '', day = ''] = /^(\d{4})-(\d{2}-\d{2})$/.exec(born) ?? [];
  if (day === '' || year === '0000') return undefined;
  const birthday = `${String(Number(year) + years).padStart(4, '0')}-${day}`;
  return birthday <= at.toISOString().slice(0, 10);
}

/** What apps may be told, and by which scope. */
export function claimsToApps(
  schema: ProfileSchema,
): readonly { readonly name: string; readonly scope: string | undefined; readonly purpose: string }[] {
  const attributes = schema.attributes.filter(({ see }) => see.includes('apps'));
  return [
    ...attributes.map(({ name, scope, purpose }) => ({ name, scope, purpose })),
    ...derivedClaims(schema).map(({ name, from }) => ({ name, scope: undefined, purpose: from.purpose })),
  ];
}

/** What an app can say at its registration that it asks for. */
export function declarableOf(schema: ProfileSchema) {
  return { purposes: schema.purposes.map(({ id }) => id), claims: claimsToApps(schema) };
}
