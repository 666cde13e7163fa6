import { errors } from 'oidc-provider';
import type { Payload } from './artefacts.js';

/** Authentication strengths, weakest first: each satisfies a request for a weaker one. */
export const STRENGTHS = ['aal1', 'aal2', 'phr'] as const;
export type Strength = (typeof STRENGTHS)[number];

const levelOf = (value: unknown) => STRENGTHS.indexOf(value as Strength);
const isStrength = (value: unknown): value is Strength => levelOf(value) !== -1;

/** Whether having authenticated with `reached` satisfies a request for any of `wanted`; unknown wishes are not met. */
export function satisfies(reached: string | undefined, wanted: readonly string[]): boolean {
  return wanted.some(value => isStrength(value) && levelOf(reached) >= levelOf(value));
}

/** The strengths that `acr_values` names: a wish (Core §3.1.2.1). */
export function wishedStrengths(params: Payload | undefined): readonly Strength[] {
  const asked = params?.['acr_values'];
  return typeof asked === 'string' ? asked.split(' ').filter(isStrength) : [];
}

interface AcrRequest {
  readonly essential?: boolean | undefined;
  readonly value?: unknown;
  readonly values?: unknown;
}

const isText = (value: unknown) => typeof value === 'string';

/** The strengths of which an essential `acr` claim asks for one (Core §5.5.1.1), or the protocol's refusal. */
export function essentialStrengths(acr: AcrRequest | null | undefined): readonly string[] | undefined {
  const { essential, value, values } = acr ?? {};
  const wanted = values ?? (value === undefined ? undefined : [value]);
  if (!essential || wanted === undefined) return undefined;
  if (!Array.isArray(wanted) || !wanted.every(isText)) {
    throw new errors.InvalidRequest('claims.id_token.acr should ask for values that are strings');
  }
  /* Asking somebody again and again for what nobody can reach helps no one. */
  if (!wanted.some(isStrength)) {
    throw new errors.UnmetAuthenticationRequirements('none of the requested acr values is offered here');
  }
  return wanted;
}

/** More than a password that is asked of somebody, and on whose account; a wish may be declined. */
export interface StrengthDemand {
  readonly acr: 'aal2' | 'phr';
  readonly because: 'app' | 'role' | 'wish';
}

const demandFor = (acr: Strength | undefined, because: StrengthDemand['because']) =>
  acr === undefined || acr === 'aal1' ? undefined : { acr, because };

/* Of several that would do, the one that asks least. */
const weakestOf = (values: readonly string[]) => STRENGTHS.find(strength => values.includes(strength));
const strongerOf = (one: Strength | undefined, other: Strength | undefined) =>
  levelOf(one) >= levelOf(other) ? one : other;

/** What the app that asks demands: by its registration, by an essential claim of the request, or else as a wish. */
export function demandOfApp(
  client: { readonly [property: string]: unknown },
  params: Payload,
): StrengthDemand | undefined {
  const minimum = client['minimum_acr'];
  const claims = typeof params['claims'] === 'string' ? (JSON.parse(params['claims']) as Claims) : undefined;
  const essential = weakestOf(essentialStrengths(claims?.id_token?.acr) ?? []);
  const required = strongerOf(isStrength(minimum) ? minimum : undefined, essential);
  return demandFor(required, 'app') ?? demandFor(weakestOf(wishedStrengths(params)), 'wish');
}

interface Claims {
  readonly id_token?: { readonly acr?: AcrRequest | null } | null;
}

/** What is demanded of somebody who must have a second factor, whatever the app asks for: a wish is none any more. */
export function withRole(demand: StrengthDemand | undefined, must: boolean): StrengthDemand | undefined {
  if (!must || demand?.because === 'app') return demand;
  return { acr: 'aal2', because: 'role' };
}

/** Seconds for which an authentication counts for a sensitive act. */
export const FRESH_SECONDS = 300;

/** A form for such an act is shown when there is at least a minute left to fill it. */
export const FRESH_TO_SHOW_SECONDS = 240;
