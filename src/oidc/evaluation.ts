import { z } from 'zod';
import { ACTIONS, type Decision, type Question } from './decision.js';

/* AuthZEN Authorization API 1.0 §5: what is not named there may be sent, and is not looked at. */
const name = z.string().min(1).max(255);
const subject = z.looseObject({ type: z.literal('user'), id: name });
const action = z.looseObject({ name: z.enum(ACTIONS) });
const resource = z.looseObject({
  type: z.literal('purpose'),
  id: z.string().min(1).max(40),
  properties: z.looseObject({ claims: z.array(name).max(64).exactOptional() }).exactOptional(),
});
const context = z.looseObject({}).exactOptional();
const self = {
  client_id: name.exactOptional(),
  client_secret: name.exactOptional(),
  client_assertion_type: name.exactOptional(),
  client_assertion: z.string().min(1).max(8_000).exactOptional(),
};

/** One question: whose data, what is to be done, for which purpose; and beside it how the app proves itself. */
export const evaluationSchema = z.looseObject({ subject, action, resource, context, ...self });

/** How many questions are answered at once. */
export const MOST_EVALUATIONS = 50;

/** Several questions; what one leaves out is said for all of them (§7.1). */
export const evaluationsSchema = z.looseObject({
  subject: subject.exactOptional(),
  action: action.exactOptional(),
  resource: resource.exactOptional(),
  context,
  evaluations: z
    .array(
      z.looseObject({
        subject: subject.exactOptional(),
        action: action.exactOptional(),
        resource: resource.exactOptional(),
        context,
      }),
    )
    .max(MOST_EVALUATIONS)
    .exactOptional(),
  options: z
    .looseObject({
      evaluations_semantic: z
        .enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'])
        .exactOptional(),
    })
    .exactOptional(),
  ...self,
});

/** A question, and whom it is about. */
export type Asked = Question & { readonly subject: string };

/** What an evaluation asks. */
export function askedBy({ subject: who, action: what, resource: which }: Asking): Asked {
  const { id: purpose, properties } = which;
  return { subject: who.id, action: what.name, purpose, claims: properties?.claims ?? [] };
}

interface Asking {
  readonly subject: z.output<typeof subject>;
  readonly action: z.output<typeof action>;
  readonly resource: z.output<typeof resource>;
}

/** The seconds that an app may keep an answer. */
export const KEPT_SECONDS = 60;

/** The seconds that this answer may be kept: a no not at all, and nothing past its end. */
export function keptFor({ allowed, until }: Decision, at: Date): number {
  if (!allowed) return 0;
  const left = until ? Math.floor((until.getTime() - at.getTime()) / 1_000) : KEPT_SECONDS;
  return Math.max(0, Math.min(KEPT_SECONDS, left));
}

/** An answer as AuthZEN has it (§6.2). */
export function answered(decision: Decision, at: Date) {
  const { allowed, reason, basis, noticeVersion, event, until } = decision;
  return {
    decision: allowed,
    context: {
      reason,
      ...(basis !== undefined && { basis }),
      ...(noticeVersion !== undefined && { notice_version: noticeVersion }),
      ...(event !== undefined && { event }),
      ...(until && { until: until.toISOString() }),
      max_age: keptFor(decision, at),
    },
  };
}

/** As many of the answers as the app wants: all, or up to the first no or yes (§7.1.2). */
export function upTo(semantic: string | undefined, decisions: readonly Decision[]): readonly Decision[] {
  if (semantic === undefined || semantic === 'execute_all') return decisions;
  const last = decisions.findIndex(({ allowed }) => allowed === (semantic === 'permit_on_first_permit'));
  return last < 0 ? decisions : decisions.slice(0, last + 1);
}
