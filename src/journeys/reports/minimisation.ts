import { countAccounts } from '../../domain/accounts/accounts.js';
import { type Client, listClients } from '../../domain/clients/clients.js';
import { countTellings } from '../../domain/disclosures/disclosures.js';
import { listTopics } from '../../domain/messages/messages.js';
import { countHeld, type ProfileSchema, sourceOf } from '../../domain/profiles/profiles.js';
import { heldPurposes } from '../../domain/purposes/purposes.js';
import { countOutcomes } from '../../domain/questions/questions.js';
import { listLeft } from '../../domain/steps/steps.js';
import type { Db, Tx } from '../../platform/storage/db.js';

/** A number of people: in fives, and fewer than five never counted, so that nobody is found by it. */
export type People = number | '<5';

const FIVE = 5;

/** A number of people as it may be told. */
export function inFives(count: number): People {
  if (count === 0) return 0;
  return count < FIVE ? '<5' : Math.floor(count / FIVE) * FIVE;
}

/** What is known about one attribute, all people taken together. */
export interface AttributeUse {
  readonly attribute: string;
  readonly purpose: string;
  /** How many have a value; undefined for what is kept with addresses, numbers and the account. */
  readonly held: People | undefined;
  /** How many apps were told it, or something that comes from it, and about how many people. */
  readonly apps: number;
  readonly told: People;
  /** How many gave it, or left it out, when an app asked for it. */
  readonly asked: { readonly answered: People; readonly skipped: People } | undefined;
  readonly says: readonly ('never_told' | 'used_here_alone' | 'left_empty' | 'often_left_out')[];
}

/** What there may be too much of. */
export interface MinimisationReport {
  /** What has a time is counted since this day. */
  readonly since: string;
  readonly people: People;
  readonly attributes: readonly AttributeUse[];
  /** Purposes that hold nothing: no value, no topic, no table of ours, and no app that names them. */
  readonly purposes_nobody_needs: readonly string[];
  /** Apps, with what they said that they ask for and were never told. */
  readonly apps: readonly {
    readonly client_id: string;
    readonly name: string;
    readonly never_told: readonly string[];
  }[];
  readonly sign_ups_finished: People;
  /** How many gave up at each step, most first. */
  readonly given_up: readonly { readonly step: string; readonly people: People }[];
}

const PAGE = 200;
const DAY = 86_400_000;

/** Over how many days it counts what has a time: unless said otherwise, and at most. */
export const REPORT_DAYS = { usual: 90, most: 400 } as const;

/** What a report is about. */
export interface Reporting {
  readonly schema: ProfileSchema;
  readonly now: Date;
  readonly days: number;
  /** How long one question to the database may take. */
  readonly patience: `${number}min` | `${number}s`;
}

/** Counts what there may be too much of. Nothing in it is about anybody; it reads all there is, in one look, and changes nothing. */
export async function minimisationReport(
  db: Db,
  { schema, now, days, patience }: Reporting,
): Promise<MinimisationReport> {
  const since = new Date(now.getTime() - days * DAY);
  return db.transaction(
    async tx => {
      await tx.raw(`SELECT set_config('statement_timeout', ?, true)`, [patience]);
      return gather(tx, schema, since);
    },
    { readOnly: true, isolationLevel: 'repeatable read' },
  );
}

async function gather(tx: Tx, schema: ProfileSchema, since: Date): Promise<MinimisationReport> {
  const day = since.toISOString().slice(0, 10);
  const { all, opened } = await countAccounts(tx, since);
  const attributes = await attributesIn(tx, schema, all);
  const clients = await everyClient(tx);
  const topics = (await listTopics(tx)).map(({ purpose }) => purpose);
  const tellings = await countTellings(tx);
  const needed = new Set([
    ...heldPurposes(),
    ...topics,
    ...clients.flatMap(({ metadata }) => metadata.purposes ?? []),
    ...attributes.filter(({ held }) => held !== 0).map(({ purpose }) => purpose),
  ]);
  const told = (client: string) =>
    tellings.filter(each => each.clientId === client).map(({ claim }) => claim);
  return {
    since: day,
    people: inFives(all),
    attributes,
    purposes_nobody_needs: schema.purposes.map(({ id }) => id).filter(id => !needed.has(id)),
    apps: clients.flatMap(client => {
      const { required_claims = [], optional_claims = [], client_name: name = client.id } = client.metadata;
      const never = [...required_claims, ...optional_claims].filter(
        claim => !told(client.id).includes(claim),
      );
      return never.length === 0 ? [] : [{ client_id: client.id, name, never_told: never }];
    }),
    sign_ups_finished: inFives(opened),
    given_up: [...(await listLeft(tx, day))].map(([step, people]) => ({ step, people: inFives(people) })),
  };
}

/** What Keyhold itself uses, whatever apps are told: whose law counts, what time it is, and where to write. */
const USED_HERE: ReadonlySet<string> = new Set(
  'email email_verified phone_number phone_number_verified locale updated_at zoneinfo birthdate address'.split(
    ' ',
  ),
);
/* So many people have to be there before a share says anything, and so few of them are few. */
const ENOUGH = 20;
const SHARE = 0.2;

async function attributesIn(tx: Tx, schema: ProfileSchema, people: number): Promise<AttributeUse[]> {
  const [held, outcomes] = [await countHeld(tx), await countOutcomes(tx)];
  const tellings = (await countTellings(tx)).map(each => ({ ...each, source: sourceOf(schema, each.claim) }));
  return schema.attributes.map(attribute => {
    const { name, purpose } = attribute;
    const own = tellings.filter(({ source }) => source === name);
    const apps = new Set(own.flatMap(({ clientId }) => clientId ?? [])).size;
    /* The same people may be told of by several claims: the most of one is at least how many there are. */
    const told = Math.max(0, ...own.map(({ people: each }) => each));
    const values = 'type' in attribute ? (held.get(name) ?? 0) : undefined;
    const asked = outcomes.find(each => each.attribute === name);
    const says: AttributeUse['says'][number][] = [];
    if (apps === 0 && values !== 0) says.push(USED_HERE.has(name) ? 'used_here_alone' : 'never_told');
    const isOptional = 'type' in attribute && !attribute.required;
    if (isOptional && people >= ENOUGH && (values ?? 0) < people * SHARE) says.push('left_empty');
    if (asked && asked.skipped >= FIVE && asked.skipped >= asked.answered) says.push('often_left_out');
    return {
      attribute: name,
      purpose,
      held: values === undefined ? undefined : inFives(values),
      apps,
      told: inFives(told),
      asked: asked && { answered: inFives(asked.answered), skipped: inFives(asked.skipped) },
      says,
    };
  });
}

async function everyClient(tx: Tx): Promise<readonly Client[]> {
  const found: Client[] = [];
  let after: string | undefined = '';
  while (after !== undefined) {
    const page: Awaited<ReturnType<typeof listClients>> = await listClients(tx, { after, limit: PAGE });
    found.push(...page.clients);
    after = page.after;
  }
  return found;
}
