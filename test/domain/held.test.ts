import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { standardSchema } from '../../src/domain/profiles/profiles.js';
import { heldPurposes, listHeld } from '../../src/domain/purposes/purposes.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let tables: ReadonlyMap<string, readonly string[]>;

beforeAll(async () => {
  database = await openTestDatabase();
  /* Slots of a partitioned table have its columns. */
  const { rows } = await database.db.raw<{ rows: { name: string; columns: string[] }[] }>(
    `SELECT t.table_name AS name, array_agg(c.column_name::text) AS columns
     FROM information_schema.tables t JOIN information_schema.columns c USING (table_schema, table_name)
     JOIN pg_class k ON k.relname = t.table_name AND k.relnamespace = 'public'::regnamespace
     WHERE t.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND NOT k.relispartition GROUP BY 1`,
  );
  tables = new Map(rows.map(({ name, columns }) => [name, columns]));
});

afterAll(() => database?.close());

const catalogued = (table: string) =>
  Object.values(listHeld().tables[table] ?? {}).flatMap(columns => columns.split(' '));

test('every table says whether it has anything about people (profile/held.json), and none that is gone is named', () => {
  const { tables: held, no_people: others } = listHeld();
  expect([...Object.keys(held), ...others].sort()).toEqual([...tables.keys()].sort());
});

test('a table that says nothing about people has no account in it', () => {
  for (const table of listHeld().no_people)
    expect({ table, account: tables.get(table)?.includes('account_id') }).toEqual({ table, account: false });
});

test('every column of a table about people has a purpose, or says nothing about anybody (profile/held.json)', () => {
  const differences = Object.keys(listHeld().tables).flatMap(table => {
    const [named, there] = [catalogued(table), tables.get(table) ?? []];
    return [
      ...there.filter(column => !named.includes(column)).map(column => `${table}.${column} is missing`),
      ...named.filter(column => !there.includes(column)).map(column => `${table}.${column} is gone`),
      ...named.filter((column, at) => named.indexOf(column) < at).map(column => `${table}.${column} twice`),
    ];
  });
  expect(differences).toEqual([]);
});

test('each of these purposes is one that stands, also where an operator leaves it out', () => {
  const live = standardSchema().schema.purposes.map(({ id }) => id);
  expect(heldPurposes().filter(purpose => !live.includes(purpose))).toEqual([]);
  expect(heldPurposes().length).toBeGreaterThan(3);
});
