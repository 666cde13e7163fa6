import { z } from 'zod';
import { spanSchema, wordsSchema } from '../purposes/purposes.js';

/** Whose values of an attribute are kept in another room, and which attributes those are. */
export const ELSEWHERE = {
  contacts: ['email', 'email_verified', 'phone_number', 'phone_number_verified'],
  account: ['locale', 'updated_at'],
} as const;

/* What a token says about itself or the sign-in (RFC 7519 §4.1, OpenID Connect Core §2 and §3.3), the scopes of §5.4, and
 * names that mean something to JavaScript. */
const RESERVED: ReadonlySet<string> = new Set(
  `iss sub aud exp nbf iat jti sid nonce acr amr auth_time azp at_hash c_hash s_hash scope client_id cnf sale_opt_out authorization_details act may_act
   events txn toe sub_jwk _claim_names _claim_sources openid offline_access phone constructor prototype`.split(
    /\s+/,
  ),
);

const nameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be lower-case letters, digits and _, 40 at most')
  .refine(name => !RESERVED.has(name), 'is a name that tokens use for something else');

const who = (...whom: readonly ['person', ...string[]]) =>
  z.array(z.enum(whom)).refine(list => new Set(list).size === list.length, 'names somebody twice');

/** How often and how a value may be changed by the person. */
export const limitsSchema = z.strictObject({
  /** No more than so many changes within so long. */
  changes: z.strictObject({ max: z.int().min(1).max(1_000), within: spanSchema }).optional(),
  /** So long between one change and the next. */
  cool_down: spanSchema.optional(),
  /** Only by somebody who has just proved anew that it is them. */
  step_up: z.boolean().optional(),
  /** Nothing changes before an operator has allowed it. */
  approval: z.boolean().optional(),
  /** A change takes effect so long after it was made or allowed. */
  effective_after: spanSchema.optional(),
  /** So long a change can be undone. */
  undo_within: spanSchema.optional(),
});
export type ChangeLimits = Readonly<z.output<typeof limitsSchema>>;

const told = {
  label: wordsSchema,
  /** What an app may do by it, as the consent page says it; the label where this is absent. */
  ask: wordsSchema.optional(),
  purpose: z.string(),
  /** Apps that were allowed this scope may see it; without one, apps ask for it by name. */
  scope: z.enum(['profile', 'email', 'address', 'phone']).optional(),
  see: who('person', 'apps', 'operator'),
};

const kept = {
  ...told,
  name: nameSchema.refine(
    name => !Object.values<readonly string[]>(ELSEWHERE).flat().includes(name),
    'is kept elsewhere: say where with "kept" instead of "type"',
  ),
  hint: wordsSchema.optional(),
  required: z.boolean().default(false),
  change: who('person', 'operator'),
  limits: limitsSchema.default({}),
};

/* A group that repeats and repeats inside takes longer than anybody waits for some texts. */
const REPEATS_TWICE = /\((?:[^()\\]|\\.)*(?:[*+}])(?:[^()\\]|\\.)*\)\s*[*+{]/;

const patternSchema = z
  .string()
  .max(200)
  .refine(isPattern, 'is no regular expression')
  .refine(
    pattern => !REPEATS_TWICE.test(pattern),
    'repeats a group that repeats inside, which can take for ever',
  );

function isPattern(pattern: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}

const choiceSchema = z.strictObject({
  value: z.string().regex(/^[\w.-]{1,60}$/, 'must be letters, digits, ".", "_" and "-", 60 at most'),
  label: wordsSchema,
});

const textSchema = z.strictObject({
  ...kept,
  type: z.literal('text'),
  max: z.int().min(1).max(2_000).default(200),
  pattern: patternSchema.optional(),
});
const numberSchema = z.strictObject({
  ...kept,
  type: z.literal('number'),
  min: z.number().optional(),
  max: z.number().optional(),
  whole: z.boolean().default(false),
});
const dateSchema = z.strictObject({ ...kept, type: z.literal('date'), past: z.boolean().default(false) });
const choicesSchema = z.strictObject({
  ...kept,
  type: z.literal('choice'),
  choices: z.array(choiceSchema).min(2).max(300),
});
const plainSchema = <Type extends string>(type: Type) => z.strictObject({ ...kept, type: z.literal(type) });
const pictureSchema = plainSchema('picture').refine(
  ({ limits }) => !limits.approval && !limits.effective_after && !limits.undo_within,
  { path: ['limits'], message: 'of a picture may be changes, cool_down and step_up only' },
);
const elsewhereSchema = <Place extends keyof typeof ELSEWHERE>(place: Place) =>
  z.strictObject({ ...told, name: z.enum(ELSEWHERE[place]), kept: z.literal(place) });

const keptSchema = z.discriminatedUnion(
  'type',
  [
    textSchema,
    numberSchema,
    dateSchema,
    choicesSchema,
    plainSchema('yes-no'),
    plainSchema('url'),
    plainSchema('time-zone'),
    plainSchema('address'),
    pictureSchema,
  ],
  { error: 'must be text, number, date, choice, yes-no, url, time-zone, address or picture' },
);

/** An attribute whose values are kept in the profile. */
export type KeptAttribute = Readonly<z.output<typeof keptSchema>>;

const elsewhereUnion = z.discriminatedUnion(
  'kept',
  [elsewhereSchema('contacts'), elsewhereSchema('account')],
  {
    error: 'must be contacts or account',
  },
);

/** An attribute that another room keeps: declared here for its words and its purpose. */
export type ElsewhereAttribute = Readonly<z.output<typeof elsewhereUnion>>;

/** One thing that is known about people. */
export type Attribute = KeptAttribute | ElsewhereAttribute;

/** The declaration of one attribute; which kind it is decides who judges it, so that a mistake is named where it is. */
export const attributeSchema: z.ZodType<Attribute> = z.unknown().transform((input, context) => {
  const isElsewhere = typeof input === 'object' && input !== null && 'kept' in input;
  const checked = (isElsewhere ? elsewhereUnion : keptSchema).safeParse(input);
  if (checked.success) return checked.data;
  for (const [path, message] of checked.error.issues.flatMap(sayIssue)) {
    context.addIssue({ code: 'custom', path: [...path], message });
  }
  return z.NEVER;
});

/** Where a problem stands and what it is; a member that nobody knows is a problem of its own. */
export function sayIssue(issue: z.core.$ZodIssue): [path: (string | number)[], message: string][] {
  const path = issue.path.map(part => (typeof part === 'number' ? part : String(part)));
  if (issue.code !== 'unrecognized_keys') return [[path, issue.message]];
  return issue.keys.map(key => [[...path, key], 'is not known here']);
}

/**
 * Whether somebody can be asked for it on the way to an app: it can be typed, it may be told to apps, and what is given
 * counts at once.
 */
export function isAskable(attribute: Attribute): attribute is KeptAttribute {
  if (!isKept(attribute) || attribute.type === 'picture') return false;
  const { see, change, limits } = attribute;
  return (
    see.includes('person') && see.includes('apps') && change.includes('person') && limits.approval !== true
  );
}

/** Whether the profile itself keeps its values. */
export function isKept(attribute: Attribute): attribute is KeptAttribute {
  return 'type' in attribute;
}
