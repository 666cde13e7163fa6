import pg from 'pg';

/** A column as the catalogue of the database has it. */
interface Column {
  readonly name: string;
  readonly type: string;
  readonly needed: boolean;
  /** The table and column that a foreign key leads to. */
  readonly to: readonly [table: string, column: string] | undefined;
}

const COLUMNS = `
  SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AND a.atthasdef IS FALSE AND a.attidentity = '' AS needed,
    (SELECT ARRAY[f.confrelid::regclass::text, (SELECT attname::text FROM pg_attribute t WHERE t.attrelid = f.confrelid
        AND t.attnum = f.confkey[array_position(f.conkey, a.attnum)])]
     FROM pg_constraint f WHERE f.conrelid = a.attrelid AND f.contype = 'f' AND a.attnum = ANY (f.conkey) LIMIT 1) AS to
  FROM pg_attribute a WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

let count = 0;

function anyOf(type: string): unknown {
  count += 1;
  if (type === 'uuid') return `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`;
  if (type === 'bytea') return Buffer.from(`bytes ${count}`);
  if (type === 'jsonb') return '{}';
  if (type === 'boolean') return false;
  if (type.endsWith('[]')) return [];
  if (/^(small|big)?int/.test(type)) return type === 'smallint' ? count % 4 : count;
  if (/^(timestamp|date)/.test(type)) return new Date();
  return `text ${count}`;
}

/**
 * Puts a row about somebody into each of these tables, whatever it is made of: what must stand there gets anything of its type,
 * and what leads to another table gets what stands there of the same account. Rules about
 * values, and keys to tables that are not among these, are taken off first.
 */
export async function fillTables(
  ownerUrl: string,
  tables: readonly string[],
  people: readonly { readonly accountId: string; readonly columns: Readonly<Record<string, unknown>> }[],
  /** What may be empty is filled as well, and by what. */
  also?: (column: string, type: string) => unknown,
): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    const { rows: rules } = await client.query(
      `SELECT conrelid::regclass AS table, quote_ident(conname) AS rule FROM pg_constraint
       WHERE conrelid::regclass::text = ANY ($1) AND conislocal
         AND (contype = 'c' OR contype = 'f' AND confrelid::regclass::text <> ALL ($1))`,
      [tables],
    );
    for (const { table, rule } of rules) await client.query(`ALTER TABLE ${table} DROP CONSTRAINT ${rule}`);
    for (const person of people) await fill(client, new Set(tables), person, also);
  } finally {
    await client.end();
  }
}

async function fill(
  client: pg.Client,
  left: Set<string>,
  {
    accountId,
    columns: given,
  }: { readonly accountId: string; readonly columns: Readonly<Record<string, unknown>> },
  also?: (column: string, type: string) => unknown,
): Promise<void> {
  const made = new Map<string, Readonly<Record<string, unknown>>>();
  while (left.size > 0) {
    const before = left.size;
    for (const table of left) {
      const { rows: columns } = await client.query<Column>(COLUMNS, [table]);
      const waits = columns.some(({ to }) => to && to[0] !== table && left.has(to[0]));
      if (waits) continue;
      const row = Object.fromEntries(
        columns.flatMap(column => {
          const value = valueFor(table, column);
          return value === undefined ? [] : [[column.name, value]];
        }),
      );
      const names = Object.keys(row);
      await client.query(
        `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map((_, at) => `$${at + 1}`).join(', ')})`,
        Object.values(row),
      );
      made.set(table, row);
      left.delete(table);
    }
    if (left.size === before) throw new Error(`these tables wait for each other: ${[...left].join(', ')}`);
  }

  function valueFor(table: string, { name, type, needed, to }: Column): unknown {
    if (`${table}.${name}` in given) return given[`${table}.${name}`];
    if (name === 'account_id') return accountId;
    if (to && made.has(to[0])) return made.get(to[0])?.[to[1]];
    return also?.(`${table}.${name}`, type) ?? (needed ? anyOf(type) : undefined);
  }
}
