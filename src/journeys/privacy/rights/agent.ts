import type Router from '@koa/router';
import type Koa from 'koa';
import { z } from 'zod';
import { findAccount, normaliseEmail } from '../../../domain/accounts/accounts.js';
import { listNoticeEmails } from '../../../domain/contacts/contacts.js';
import {
  askRight,
  findMandate,
  LONGEST_WORDS,
  type Mandate,
  type MandateFault,
  RIGHTS,
  type Right,
  type RightsRequest,
  refuseMandate,
  useMandate,
} from '../../../domain/rights/rights.js';
import { mayAct } from '../../../oidc/acting.js';
import { BearerRefusal } from '../../../oidc/bearer-refusal.js';
import { openMandate } from '../../../oidc/mandates.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { readApiBody } from '../../../platform/web/input.js';
import type { Parts } from '../../journey.js';
import { countTry, MANDATES } from '../../limits.js';
import { judgeWish, lawOfPerson } from './ask.js';
import { tellRecipients } from './recipients.js';
import { tellOfRightLater } from './tell.js';

/** Where an agent asks in somebody's place, with a mandate of theirs as a bearer token (11 CCR § 7063). */
export const AGENT_PATH = '/rights/agent';

/** Mounts it. */
export function agentRoutes(router: Router, parts: Parts): void {
  router.post(AGENT_PATH, ctx => take(ctx, parts));
}

const askedSchema = z.strictObject({
  /** An address of the person, by which the agent says whom they mean. */
  person: z.string().max(320),
  right: z.enum(RIGHTS),
  words: z.string().max(LONGEST_WORDS).default(''),
  everything: z.boolean().default(false),
  purposes: z.array(z.string().max(80)).max(100).default([]),
  attributes: z.array(z.string().max(80)).max(200).default([]),
});
type Asked = z.output<typeof askedSchema>;

/* What cannot be taken back, and what gives a copy away, happens only when the person says so themselves. */
const CONFIRMED: readonly Right[] = ['access', 'portability', 'erasure'];

async function take(ctx: Koa.Context, parts: Parts): Promise<void> {
  ctx.set('Cache-Control', 'no-store');
  const text = tokenOf(ctx);
  const sent = askedSchema.safeParse(await readApiBody(ctx));
  if (!sent.success) {
    const fields = sent.error.issues.map(({ path, message }) => ({
      field: ['body', ...path.map(String)].join('.'),
      message,
    }));
    throw new Refusal('invalid', 'invalid_input', 'Some of what was sent cannot be used.', { fields });
  }
  /* Counted before the signature is looked at. */
  await countTry({ ctx, parts }, MANDATES);
  const found = await mandateOf(parts, text, sent.data);
  if ('fault' in found) return refuse(ctx, parts, found.fault, found.mandate);
  const taken = await enter(parts, found.mandate, sent.data);
  if ('fault' in taken) return refuse(ctx, parts, taken.fault, found.mandate);
  ctx.status = 201;
  ctx.body = present(taken);
}

function tokenOf(ctx: Koa.Context): string {
  const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(ctx.get('Authorization'))?.[1];
  if (token !== undefined && token.length <= 8_192) return token;
  ctx.set('WWW-Authenticate', 'Bearer');
  throw new BearerRefusal(undefined, 'Send the mandate as a bearer token.');
}

type Found = { readonly mandate: Mandate } | { readonly fault: MandateFault; readonly mandate?: Mandate };

async function mandateOf({ db, keyring, issuer }: Parts, text: string, asked: Asked): Promise<Found> {
  const opened = await openMandate(db, text, issuer);
  if ('fault' in opened) {
    return { fault: opened.fault === 'unknown_signer' ? 'unknown' : opened.fault };
  }
  const mandate = await findMandate(db, keyring, opened.claims.jti);
  if (!mandate) return { fault: 'unknown' };
  if (mandate.revokedAt) return { fault: 'revoked', mandate };
  if (mandate.expiresAt <= new Date()) return { fault: 'expired', mandate };
  const account = await findAccount(db, mandate.accountId);
  if (!account || !mayAct({ account })) return { fault: 'unknown', mandate };
  const addresses = await listNoticeEmails(db, mandate.accountId);
  const meant = normaliseEmail(asked.person);
  if (meant === undefined || !addresses.some(one => normaliseEmail(one) === meant))
    return { fault: 'other_person', mandate };
  return mandate.rights.includes(asked.right) ? { mandate } : { fault: 'not_covered', mandate };
}

/* In one work: the mandate stands at this moment, the request is on record, and its person knows. */
async function enter(
  parts: Parts,
  mandate: Mandate,
  { right: kind, words, everything, purposes, attributes }: Asked,
): Promise<RightsRequest | { readonly fault: 'revoked' }> {
  const { db, keyring, profile } = parts;
  const { accountId, agent } = mandate;
  const about = { everything, purposes, attributes };
  const isConfirmed = CONFIRMED.includes(kind);
  const judged = isConfirmed
    ? { ...(words !== '' && { words }) }
    : judgeWish(profile, { accountId, kind, about, words });
  if (typeof judged === 'string')
    throw new Refusal('invalid', judged, 'This does not say what is asked for, or nobody can ask for it.');
  return openWork(db, { kind: 'client' }, async work => {
    if (!(await useMandate(work, mandate))) return { fault: 'revoked' };
    const law = await lawOfPerson(work.tx, accountId, work.at);
    const asking = { accountId, kind, law, mandateId: mandate.id, unconfirmed: isConfirmed };
    const request = await askRight(work, keyring, { ...asking, ...judged });
    if (request === 'too_many')
      throw new Refusal('limited', 'too_many_requests', 'Too many requests for this person. Please wait.', {
        retryAfter: 86_400,
      });
    if (request.holdsFrom)
      tellRecipients(work, { accountId, request: request.id, about: request, phase: 'begun' });
    await tellOfRightLater(work, parts, request, 'right_by_agent', { agent });
    return request;
  });
}

async function refuse(
  ctx: Koa.Context,
  { db }: Parts,
  fault: MandateFault,
  mandate: Mandate | undefined,
): Promise<never> {
  await openWork(db, { kind: 'client' }, async work => refuseMandate(work, fault, mandate));
  if (fault === 'not_covered' || fault === 'other_person') {
    const message =
      fault === 'not_covered' ? 'The mandate does not cover this.' : 'The mandate is not of this person.';
    throw new Refusal('forbidden', `mandate_${fault}`, message);
  }
  const message = {
    unreadable: 'This is no mandate.',
    altered: 'The mandate was altered.',
    unknown: 'The mandate is none of ours.',
    revoked: 'The mandate was taken back.',
    expired: 'The mandate is over.',
  }[fault];
  ctx.set('WWW-Authenticate', `Bearer error="invalid_token", error_description="${message}"`);
  throw new BearerRefusal('invalid_token', message);
}

function present({ id, kind, state, askedAt, dueAt, law }: RightsRequest): object {
  return {
    id,
    right: kind,
    state,
    asked_at: askedAt.toISOString(),
    due_at: dueAt.toISOString(),
    law,
  };
}
