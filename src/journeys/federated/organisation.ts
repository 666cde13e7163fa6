import { findByIdentifier } from '../../domain/accounts/accounts.js';
import {
  type IdentityProvider,
  noSuchProvider,
  UpstreamTrouble,
} from '../../domain/federation/federation.js';
import { Refusal } from '../../platform/errors.js';
import { countTry, PASSWORDS } from '../limits.js';
import type { Problem, ProblemWord } from '../page-models.js';
import { arrive } from '../sign-in/federated.js';
import { failedSignIn, SIGN_IN_FACTS } from '../sign-in/going-on.js';
import { type Turn, toStep } from '../turn.js';
import { goesAround, leadBack, leadingOf, showOrganisation } from './organisation-page.js';
import { vouchedFor } from './vouching.js';

/** "Sign in another way": on to the ways of here, which let whoever is not excepted in nowhere. */
export async function goAround(turn: Turn): Promise<void> {
  const leading = await leadingOf(turn);
  if (!leading || goesAround(leading.realm)) return leadBack(turn);
  toStep(turn);
}

/** Takes the password that somebody has at their organisation: counted like one of ours, before anybody is asked. */
export async function submitOrganisation(turn: Turn): Promise<void> {
  const { parts, progress, sent } = turn;
  const leading = await leadingOf(turn);
  if (!leading) return leadBack(turn);
  if (leading.provider.kind !== 'ldap') return toStep(turn);
  const password = typeof sent['password'] === 'string' ? sent['password'] : '';
  if (password === '') return wrong(turn, { word: 'password_missing', field: 'password' });
  const { email: address = '' } = progress;
  const account = await findByIdentifier(parts.db, 'email', address);
  const counted = await countTry(turn, PASSWORDS, { email: address, account });
  try {
    const arrived = await parts.federation.prove(leading.provider.id, { address, password });
    return await arrive(turn, await vouchedFor(parts, arrived));
  } catch (error) {
    if (isGone(error)) return leadBack(turn);
    if (!(error instanceof UpstreamTrouble)) throw error;
    if (error.kind === 'unreachable') await parts.protection.takeBack(counted);
    return inTrouble(turn, leading.provider, error, account?.id);
  }
}

const isGone = (error: unknown) => error instanceof Refusal && error.code === noSuchProvider().code;

/* What only whoever has the right password is told. */
const TOLD: Readonly<Record<string, ProblemWord>> = {
  disabled: 'organisation_disabled',
  expired: 'organisation_expired',
  password_expired: 'organisation_password_expired',
  not_now: 'organisation_not_now',
  not_in_group: 'organisation_no_access',
};

async function inTrouble(
  turn: Turn,
  { id, name }: IdentityProvider,
  { kind, reason }: UpstreamTrouble,
  accountId: string | undefined,
): Promise<void> {
  const { interactions } = turn.parts;
  const detail = { provider: id, kind, reason };
  interactions.record(
    { type: SIGN_IN_FACTS[1], clientId: turn.pending.app.clientId, detail },
    { kind: 'person' },
  );
  if (kind === 'refused') interactions.record(failedSignIn(turn, 'provider', accountId), { kind: 'person' });
  const vars = { name };
  if (kind !== 'refused') return wrong(turn, { word: 'organisation_unreachable', vars }, 503);
  const told = Object.hasOwn(TOLD, reason) ? TOLD[reason] : undefined;
  return wrong(turn, { word: told ?? 'organisation_wrong', field: 'password', vars });
}

async function wrong(turn: Turn, problem: Problem, status = 400): Promise<void> {
  turn.ctx.status = status;
  await showOrganisation(turn, [problem]);
}
