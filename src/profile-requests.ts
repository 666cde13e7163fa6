import { parseArgs } from 'node:util';
import { noteInspection, touchAccount } from './domain/accounts/accounts.js';
import {
  type Correction,
  findOpenCorrection,
  listOpenCorrections,
  settleCorrection,
} from './domain/corrections/corrections.js';
import {
  approveChange,
  type ChangeRow,
  findWaiting,
  keptAttributes,
  listWaiting,
  openSchema,
  openSealed,
  readValue,
  refuseChange,
  setAttributes,
} from './domain/profiles/profiles.js';
import { tellOfDecision } from './journeys/manage/profile/tell.js';
import type { Telling } from './journeys/notices/tell.js';
import { settleRequestOf } from './journeys/privacy/rights/corrections.js';
import { Refusal } from './platform/errors.js';
import type { Shell } from './platform/shell.js';
import { openWork, type Work } from './platform/storage/work.js';

/** What people ask of operators about their profiles is looked at and answered with. */
export interface RequestsCommand extends Shell {
  readonly telling: Telling;
}

export const REQUESTS_USAGE = `keyhold profile changes list [--after ID]                    changes that wait to be allowed
keyhold profile changes show ID                              what one would become; its person sees that you looked
keyhold profile changes approve ID                           let one happen, at once or on its day
keyhold profile changes refuse ID --reason TEXT              turn one down; its person is told why
keyhold profile corrections list [--after ID]                what people ask to have corrected
keyhold profile corrections show ID                          what somebody wrote; they see that you looked
keyhold profile corrections accept ID [--value VALUE] [--answer TEXT]
                                                             say that it is corrected, and set the value
keyhold profile corrections refuse ID --answer TEXT          say why it stays as it is`;

const OPERATOR = { kind: 'operator' } as const;
const PAGE = 100;
const OPTIONS = {
  after: { type: 'string' },
  reason: { type: 'string' },
  value: { type: 'string' },
  answer: { type: 'string' },
} as const;

interface Given {
  readonly verb: string | undefined;
  readonly id: string;
  readonly options: { readonly [Name in keyof typeof OPTIONS]?: string | undefined };
}

type Verbs = Readonly<
  Record<
    string,
    { readonly takes: readonly string[]; run(given: Given, command: RequestsCommand): Promise<void> }
  >
>;

/** Runs `keyhold profile changes …`. */
export function runChanges(words: readonly string[], command: RequestsCommand): Promise<number> {
  return run(words, command, CHANGES);
}

/** Runs `keyhold profile corrections …`. */
export function runCorrections(words: readonly string[], command: RequestsCommand): Promise<number> {
  return run(words, command, CORRECTIONS);
}

async function run(words: readonly string[], command: RequestsCommand, verbs: Verbs): Promise<number> {
  const given = read(words);
  const verb = given?.verb !== undefined && Object.hasOwn(verbs, given.verb) ? verbs[given.verb] : undefined;
  const fits = given && verb && Object.keys(given.options).every(name => verb.takes.includes(name));
  if (!fits || (given.verb === 'list') !== (given.id === '')) {
    command.fail(REQUESTS_USAGE);
    return 2;
  }
  await verb.run(given, command);
  return 0;
}

function read(words: readonly string[]): Given | undefined {
  try {
    const { values, positionals } = parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });
    const [verb, id = '', ...rest] = positionals;
    return rest.length > 0 ? undefined : { verb, id, options: { ...values } };
  } catch {
    return undefined;
  }
}

const say = ({ print }: RequestsCommand, value: unknown) => print(`${JSON.stringify(value, null, 2)}\n`);
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

function needed(text: string | undefined, option: string): string {
  const said = text?.trim() ?? '';
  if (said === '') throw new Refusal('invalid', 'missing', `Say why with ${option}; the person is told.`);
  if (said.length > 1_000)
    throw new Refusal('invalid', 'too_long', `${option} takes 1000 characters at most.`);
  return said;
}

const CHANGES: Verbs = {
  list: {
    takes: ['after'],
    run: async ({ options: { after } }, command) => {
      const rows = await listWaiting(command.db, checked(after), PAGE);
      say(command, rows.map(presentChange));
    },
  },
  show: {
    takes: [],
    run: async ({ id }, command) => {
      const row = await waiting(id, command);
      await look(command, row.account_id, row.attribute);
      const value = row.value ? openSealed(command.telling.keyring, row, row.value) : null;
      say(command, { ...presentChange(row), value });
    },
  },
  approve: {
    takes: [],
    run: async ({ id }, command) => {
      const row = await waiting(id, command);
      const schema = await openSchema(command.db);
      const { keyring } = command.telling;
      const decision = await openWork(command.db, OPERATOR, async work => {
        const made = await approveChange(work, { schema, keyring }, row);
        const news = made?.became === 'scheduled' ? 'profile_scheduled' : 'profile_changed';
        if (made) await tellOfDecision(work, command.telling, made, news);
        return made;
      });
      if (!decision) throw over(id);
      say(command, {
        id,
        state: decision.became,
        ...(decision.at && { effective_at: decision.at.toISOString() }),
      });
    },
  },
  refuse: {
    takes: ['reason'],
    run: async ({ id, options }, command) => {
      const row = await waiting(id, command);
      const reason = needed(options.reason, '--reason');
      const decision = await openWork(command.db, OPERATOR, async work => {
        const made = await refuseChange(work, row, reason);
        if (made) await tellOfDecision(work, command.telling, made, 'profile_answered');
        return made;
      });
      if (!decision) throw over(id);
      say(command, { id, state: 'refused' });
    },
  },
};

const over = (id: string) => new Refusal('missing', 'not_waiting', `Nothing waits under ${id}.`);

function checked(id: string | undefined): string | undefined {
  if (id !== undefined && !UUID.test(id)) throw over(id);
  return id;
}

async function waiting(id: string, { db }: RequestsCommand): Promise<ChangeRow> {
  const row = UUID.test(id) ? await findWaiting(db, id) : undefined;
  if (!row) throw over(id);
  return row;
}

function presentChange({ id, account_id, attribute, asked_at }: ChangeRow): object {
  return { id, account_id, attribute, asked_at: asked_at.toISOString() };
}

/* What somebody asked for is shown one by one, and they see that it was: a list of everybody's would show what nobody needs. */
async function look({ db }: RequestsCommand, accountId: string, attribute: string): Promise<void> {
  await openWork(db, OPERATOR, async work =>
    noteInspection(work, accountId, { purpose: 'correction', seen: [attribute] }),
  );
}

const CORRECTIONS: Verbs = {
  list: {
    takes: ['after'],
    run: async ({ options: { after } }, command) => {
      const page = { after: checked(after), limit: PAGE };
      const open = await listOpenCorrections(command.db, command.telling.keyring, page);
      say(command, open.map(presentCorrection));
    },
  },
  show: {
    takes: [],
    run: async ({ id }, command) => {
      const correction = await openOne(id, command);
      await look(command, correction.accountId, correction.attribute);
      say(command, { ...presentCorrection(correction), wish: correction.wish });
    },
  },
  accept: {
    takes: ['value', 'answer'],
    run: async ({ id, options: { value, answer } }, command) => {
      const correction = await openOne(id, command);
      await settle(
        command,
        correction,
        { state: 'done', answer },
        await correcting(correction, value, command),
      );
    },
  },
  refuse: {
    takes: ['answer'],
    run: async ({ id, options }, command) => {
      const correction = await openOne(id, command);
      await settle(command, correction, { state: 'refused', answer: needed(options.answer, '--answer') });
    },
  },
};

function presentCorrection({ id, accountId, attribute, askedAt }: Correction): object {
  return { id, account_id: accountId, attribute, asked_at: askedAt.toISOString() };
}

async function openOne(id: string, { db, telling }: RequestsCommand): Promise<Correction> {
  const correction = UUID.test(id) ? await findOpenCorrection(db, telling.keyring, id) : undefined;
  if (!correction) throw over(id);
  return correction;
}

/** What sets the right value, if one is given: read as if the person had typed it, and held to no limit. */
async function correcting(
  { accountId, attribute: name }: Correction,
  typed: string | undefined,
  { db }: RequestsCommand,
): Promise<((work: Work) => Promise<void>) | undefined> {
  if (typed === undefined) return undefined;
  const schema = await openSchema(db);
  const attribute = keptAttributes(schema).find(each => each.name === name);
  if (!attribute) throw new Refusal('conflict', 'attribute_gone', `${name} is not held any more.`);
  if (!attribute.change.includes('operator')) {
    throw new Refusal(
      'forbidden',
      'not_by_operator',
      `${name} is declared to be changed by its person alone.`,
    );
  }
  const value = readValue(attribute, attribute.type === 'address' ? parts(typed) : typed, new Date());
  if ('problem' in value || value.value === undefined) {
    throw new Refusal(
      'invalid',
      'no_value',
      `--value is none for ${name}: ${'problem' in value ? value.problem : 'empty'}.`,
    );
  }
  return async work => {
    await setAttributes(work, schema, accountId, { [name]: value.value }, 'operator');
    await touchAccount(work.tx, accountId, work.at);
  };
}

function parts(typed: string): unknown {
  try {
    return JSON.parse(typed);
  } catch {
    throw new Refusal(
      'invalid',
      'no_value',
      'An address is given as JSON: {"street_address": "…", "locality": "…"}.',
    );
  }
}

async function settle(
  command: RequestsCommand,
  correction: Correction,
  outcome: Parameters<typeof settleCorrection>[2],
  correct?: (work: Work) => Promise<void>,
): Promise<void> {
  const settled = await openWork(command.db, OPERATOR, async work => {
    if (!(await settleCorrection(work, correction, outcome))) return false;
    await correct?.(work);
    const settled = { ...outcome, isSet: correct !== undefined };
    await settleRequestOf(work, command.telling.keyring, correction, settled);
    await tellOfDecision(work, command.telling, correction, 'profile_answered');
    return true;
  });
  if (!settled) throw over(correction.id);
  say(command, { id: correction.id, state: outcome.state });
}
