import type { Db, Tx } from '../../platform/storage/db.js';

/** Days for which it is kept how many people gave up where. */
const KEPT = 400;

/** How many people came no further than each step. */
export type StepsLeft = ReadonlyMap<string, number>;

/** Counts people who gave up on a day; nothing about any of them is kept. */
export async function countLeft(tx: Tx, day: string, left: StepsLeft): Promise<void> {
  if (left.size === 0) return;
  await tx.raw(
    `INSERT INTO steps_left (day, step, people) SELECT CAST(:day AS date), step, people
     FROM unnest(CAST(:steps AS text[]), CAST(:people AS integer[])) AS s (step, people)
     ON CONFLICT (day, step) DO UPDATE SET people = steps_left.people + excluded.people`,
    { day, steps: [...left.keys()], people: [...left.values()] },
  );
  await tx.raw('DELETE FROM steps_left WHERE day < CAST(? AS date) - ?::integer', [day, KEPT]);
}

/** How many people gave up at each step since a day. */
export async function listLeft(db: Db, since: string): Promise<StepsLeft> {
  const { rows } = await db.raw<{ rows: { step: string; people: string }[] }>(
    'SELECT step, sum(people) AS people FROM steps_left WHERE day >= CAST(? AS date) GROUP BY step ORDER BY 2 DESC, 1',
    [since],
  );
  return new Map(rows.map(({ step, people }) => [step, Number(people)]));
}
