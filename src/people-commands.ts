import { parseArgs } from 'node:util';
import {
  type Account,
  accountByEmail,
  findAccount,
  INSPECTION_PURPOSES,
  type Inspection,
  noteInspection,
} from './domain/accounts/accounts.js';
import { listContacts } from './domain/contacts/contacts.js';
import { type Attribute, listAttributes, openSchema } from './domain/profiles/profiles.js';
import { Refusal } from './platform/errors.js';
import { masked } from './platform/masks.js';
import { answering, type Shell, Usage } from './platform/shell.js';
import type { Db } from './platform/storage/db.js';
import { openWork } from './platform/storage/work.js';

export const PEOPLE_USAGE = `keyhold people show EMAIL|ID --purpose P [--reveal NAME[,NAME]]
        [--team CODE] [--reference CODE]                     what is known about somebody, masked; they see that you looked,
                                                             and why: ${INSPECTION_PURPOSES.join(', ')}`;

const OPTIONS = {
  purpose: { type: 'string' },
  reveal: { type: 'string', multiple: true },
  team: { type: 'string' },
  reference: { type: 'string' },
} as const;

/** Runs one verb and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runPeople(words: readonly string[], shell: Shell): Promise<number> {
  return answering(shell, PEOPLE_USAGE, async () => show(read(words), shell.db));
}

interface Asked {
  readonly whom: string;
  readonly purpose: string | undefined;
  readonly reveal: readonly string[];
  readonly team: string | undefined;
  readonly reference: string | undefined;
}

function read(words: readonly string[]): Asked {
  const { values, positionals } = parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });
  const [verb, whom, ...rest] = positionals;
  if (verb !== 'show' || whom === undefined || rest.length > 0) throw new Usage();
  const { purpose, team, reference, reveal = [] } = values;
  return { whom, purpose, team, reference, reveal: reveal.flatMap(names => names.split(',')) };
}

/** Reads first, puts the look on record, and only then shows anything. */
async function show(asked: Asked, db: Db): Promise<object> {
  const purpose = INSPECTION_PURPOSES.find(each => each === asked.purpose);
  if (!purpose) {
    const all = INSPECTION_PURPOSES.join(', ');
    throw new Refusal(
      'invalid',
      'purpose_missing',
      `Say why with --purpose: ${all}. The person is shown it.`,
    );
  }
  const { team, reference } = codesOf(asked);
  const account = await accountOf(db, asked.whom);
  const known = await knownOf(db, account.id);
  const seen = revealed(known, asked.reveal);
  const inspection: Inspection = { purpose, seen, team, reference };
  await openWork(db, { kind: 'operator' }, async work => noteInspection(work, account.id, inspection));
  return {
    account: account.id,
    state: account.state,
    opened_at: account.openedAt.toISOString(),
    language: account.language,
    second_step: account.secondStep,
    roles: account.roles,
    known: known.map(({ attribute: { name }, value }) => ({
      name,
      ...(seen.includes(name) ? { value } : { masked: masked(value) }),
    })),
  };
}

const CODE = /^[A-Za-z0-9][\w.-]{0,39}$/;

/* Codes and no free text: what is written about a person stays out of a record that is never changed. */
function codesOf({ team, reference }: Asked): Pick<Inspection, 'team' | 'reference'> {
  for (const [option, code] of Object.entries({ team, reference })) {
    if (code !== undefined && !CODE.test(code)) {
      throw new Refusal('invalid', 'no_code', `--${option} takes a code such as berlin-2 or CASE-4711.`);
    }
  }
  return { team, reference };
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

async function accountOf(db: Db, whom: string): Promise<Account> {
  if (!UUID.test(whom)) return accountByEmail(db, whom);
  const found = await findAccount(db, whom);
  if (!found) throw new Refusal('missing', 'account_unknown', `Nobody has the id ${whom}.`);
  return found;
}

interface Known {
  readonly attribute: Attribute;
  readonly value: unknown;
}

/* What somebody declared that operators do not see is not even masked here: it is left out. */
async function knownOf(db: Db, accountId: string): Promise<readonly Known[]> {
  const [schema, kept, contacts] = await Promise.all([
    openSchema(db),
    listAttributes(db, accountId),
    listContacts(db, accountId),
  ]);
  const of = (kind: 'email' | 'phone') =>
    contacts.filter(contact => contact.kind === kind).map(({ address }) => address);
  const values: Readonly<Record<string, unknown>> = {
    ...kept,
    email: of('email'),
    phone_number: of('phone'),
  };
  return schema.attributes.flatMap(attribute => {
    const value = values[attribute.name];
    const empty = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
    return empty || !attribute.see.includes('operator') ? [] : [{ attribute, value }];
  });
}

function revealed(known: readonly Known[], names: readonly string[]): readonly string[] {
  const there = known.map(({ attribute: { name } }) => name);
  const wrong = names.find(name => !there.includes(name));
  if (wrong !== undefined) {
    throw new Refusal('missing', 'attribute_unknown', `There is no ${wrong} to see here.`);
  }
  return there.filter(name => names.includes(name));
}
