import { Readable } from 'node:stream';
import { CSV_START, csvLine } from '../../../platform/web/csv.js';
import type { Parts } from '../../journey.js';
import { inOrder, labelOf, purposeNamed, reasonOf, type Speaking } from './labels.js';
import { type Left, type LeftFilter, listLeft, type Reading } from './listing.js';

/** What is written out, about whom, and in whose words. */
export interface Writing {
  readonly parts: Pick<Parts, 'profile'>;
  readonly reading: Reading;
  readonly speaking: Speaking;
}

const AT_ONCE = 500;

/** All that left, newest first, read as it is asked for: no more than one stretch is held at a time. */
async function* all(reading: Reading, filter: LeftFilter): AsyncGenerator<Left> {
  let before: string | undefined;
  do {
    const { rows, older } = await listLeft(reading, { ...filter, before }, AT_ONCE);
    yield* rows;
    before = older;
  } while (before !== undefined);
}

const COLUMNS = [
  'time',
  'app',
  'what',
  'how',
  'reason',
  'purpose',
  'changed',
  'claim',
  'client_id',
  'consent',
  'id',
] as const;

/** All that left as CSV with a line of headings: one line for each claim. */
export function csvOf({ parts, reading, speaking }: Writing, filter: LeftFilter): Readable {
  const { say, language } = speaking;
  const label = labelOf(parts, speaking);
  const ordered = inOrder(parts);
  async function* lines(): AsyncGenerator<string> {
    yield CSV_START + csvLine(COLUMNS.map(column => say(`disclosures.column.${column}`)));
    for await (const left of all(reading, filter)) {
      const { id, at, app, way, consentId } = left;
      const [how, reason] = [
        say(`disclosures.way.${way}`),
        say(`disclosures.reason.${reasonOf(parts, left)}`),
      ];
      for (const { claim, purpose, changed } of ordered(left.claims)) {
        const since = changed === undefined ? '' : say(`disclosures.${changed ? 'changed' : 'same'}`);
        const held = purposeNamed(parts, purpose, language);
        const words = [app.name ?? app.clientId, label(claim), how, reason, held, since];
        yield csvLine([at.toISOString(), ...words, claim, app.clientId, consentId, id]);
      }
    }
  }
  return Readable.from(lines());
}

/** All that left as one JSON array. */
export function jsonOf({ parts, reading, speaking }: Writing, filter: LeftFilter): Readable {
  const label = labelOf(parts, speaking);
  async function* pieces(): AsyncGenerator<string> {
    let between = '[\n';
    for await (const left of all(reading, filter)) {
      const { claims, ...rest } = written(left);
      yield `${between}${JSON.stringify({ ...rest, claims: claims.map(one => ({ ...one, what: label(one.name) })) })}`;
      between = ',\n';
    }
    yield between === ',\n' ? '\n]\n' : '[]\n';
  }
  return Readable.from(pieces());
}

/** What left in one answer, as apps and downloads are given it: names and codes. */
export function written({ id, at, app, way, consentId, claims }: Left) {
  return {
    id,
    time: at.toISOString(),
    app: { client_id: app.clientId, ...(app.name !== undefined && { name: app.name }) },
    way,
    consent: consentId ?? null,
    claims: claims.map(({ claim, purpose, changed }) => ({
      name: claim,
      purpose: purpose ?? null,
      ...(changed !== undefined && { changed_since: changed }),
    })),
  };
}
