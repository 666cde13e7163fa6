import {
  type Disclosure,
  listDisclosures,
  listTold,
  type Way,
} from '../../../domain/disclosures/disclosures.js';
import type { Parts } from '../../journey.js';

type Stands = Awaited<ReturnType<Parts['disclosing']['standing']>>;

/** Which of what left is looked at. */
export interface LeftFilter {
  readonly clientId?: string | undefined;
  readonly claim?: string | undefined;
  /** The id of the last one that was shown. */
  readonly before?: string | undefined;
}

/** One claim that left with others. */
export interface LeftClaim {
  readonly claim: string;
  readonly purpose: string | undefined;
  /** The value is another one by now; undefined where that is no question. */
  readonly changed: boolean | undefined;
}

/** What one app was told in one answer. */
export interface Left {
  readonly id: string;
  readonly at: Date;
  readonly app: { readonly clientId: string; readonly name: string | undefined };
  readonly way: Way;
  readonly consentId: string | undefined;
  readonly claims: readonly LeftClaim[];
}

/** A stretch of what left, newest first. */
export interface LeftListing {
  readonly rows: readonly Left[];
  /** Goes on there; undefined at the end. */
  readonly older: string | undefined;
}

/** What it takes to read what left about one person. */
export interface Reading {
  readonly db: Parts['db'];
  readonly accountId: string;
  /** Asked of the request, which is over when a long list is still being written out. */
  readonly stands: Stands;
}

/** Opens the reading for a request. */
export async function readingOf(
  { db, disclosing }: Pick<Parts, 'db' | 'disclosing'>,
  accountId: string,
): Promise<Reading> {
  return { db, accountId, stands: await disclosing.standing(accountId) };
}

/** So many claims stand on a page: more only where they left in one answer. */
const PER_PAGE = 60;

/** What left about somebody, newest first; what left in one answer is never divided. */
export async function listLeft(
  { db, accountId, stands }: Reading,
  filter: LeftFilter,
  limit: number = PER_PAGE,
): Promise<LeftListing> {
  const read = await listDisclosures(db, { accountId, ...filter }, limit + 1);
  const answers = [...Map.groupBy(read, ({ id }) => id).values()];
  const more = read.length > limit;
  const shown = more && answers.length > 1 ? answers.slice(0, -1) : answers;
  const rows = shown.flatMap(answer => leftIn(answer, stands));
  return { rows, older: more ? rows.at(-1)?.id : undefined };
}

function leftIn(answer: readonly Disclosure[], stands: Stands): readonly Left[] {
  const [first] = answer;
  if (!first) return [];
  const { id, at, clientId, name, way, consentId } = first;
  const claims = answer.map(({ claim, purpose, valueHash }): LeftClaim => {
    const same = stands(claim, valueHash);
    return { claim, purpose, changed: same === undefined ? undefined : !same };
  });
  return [{ id, at, app: { clientId, name }, way, consentId, claims }];
}

/** An app that was told something, with all that it was told, and when it was told something last. */
export interface Knowing {
  readonly clientId: string;
  readonly name: string | undefined;
  readonly claims: readonly string[];
  readonly last: Date;
}

/** The apps that were told something about somebody, whoever was told last first. */
export async function listKnowing({ db }: Pick<Parts, 'db'>, accountId: string): Promise<readonly Knowing[]> {
  const told = await listTold(db, accountId);
  return [...Map.groupBy(told, ({ clientId }) => clientId)]
    .map(([clientId, ways]): Knowing => {
      const ids = ways.flatMap(way => Object.values(way.ids)).sort();
      return {
        clientId,
        name: ways[0]?.name,
        claims: [...new Set(ways.flatMap(way => Object.keys(way.ids)))],
        last: timeOf(ids.at(-1) ?? ''),
      };
    })
    .sort((a, b) => b.last.getTime() - a.last.getTime());
}

/* A UUIDv7 begins with its time (RFC 9562 §5.7). */
function timeOf(id: string): Date {
  return new Date(Number.parseInt(id.replace('-', '').slice(0, 12), 16));
}
