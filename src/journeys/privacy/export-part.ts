import { setImmediate as breathe } from 'node:timers/promises';
import { z } from 'zod';
import type { ExportStep, PackedFile, Reached } from '../../domain/exports/exports.js';
import type { ExportFile, ExportRecord } from '../../platform/storage/export-file.js';
import { CSV_START, csvLine } from '../../platform/web/csv.js';
import { openPacking, pack } from './packing.js';

/** So many lines are read, and held, at once. */
export const AT_ONCE = 500;

/** So many lines stand in one part of a file, at most and by about a stretch more. */
const PART_ROWS = 20_000;
const PART_BYTES = 12_000_000;
/* Where the database is slow, a part is a short one: it must be whole long before its try is cut off. */
const PART_MS = 15_000;

/** The name of a part: the first has that of the file. */
const partOf = (name: string, part: number) => (part === 1 ? name : `${name}-${part}`);

/** Where the schema of a file lies. */
export const schemaPath = (name: string) => `schema/${name}.schema.json`;

/** What a file is made of, as JSON Schema (draft 2020-12) says it. */
export function schemaOf({ name, record }: Pick<ExportFile, 'name' | 'record'>): string {
  const { $schema, ...rest } = z.toJSONSchema(z.array(record), { target: 'draft-2020-12' });
  return `${JSON.stringify({ $schema, $id: `urn:keyhold:export:1:${name}`, title: name, ...rest }, null, 2)}\n`;
}

/** Reads and writes one part of a file, a stretch at a time, and says where the next one begins. */
export async function writePart(
  file: ExportFile,
  { part, after: from }: Reached,
  signal: AbortSignal,
): Promise<Omit<ExportStep, 'walked' | 'reached'> & { readonly after: string | undefined }> {
  const name = partOf(file.name, part);
  const members = Object.keys(file.record.shape);
  const [json, csv] = [
    openPacking(`data/${name}.json`, file.name),
    openPacking(`csv/${name}.csv`, file.name),
  ];
  const beside: PackedFile[] = part === 1 ? [await pack(schemaPath(file.name), schemaOf(file))] : [];
  await csv.write(CSV_START + csvLine(members));
  const end = Date.now() + PART_MS;
  let [after, rows] = [from, 0];
  do {
    signal.throwIfAborted();
    const page = await file.page(after, AT_ONCE);
    await json.write(page.records.map((record, at) => lineOf(record, rows + at === 0)).join(''));
    await csv.write(page.records.map(record => csvLine(members.map(one => cellOf(record[one])))).join(''));
    for (const { path, bytes } of page.attachments ?? []) beside.push(await pack(path, bytes, file.name));
    rows += page.records.length;
    after = page.next;
    /* Whoever signs in meanwhile goes first. */
    await breathe();
  } while (after !== undefined && rows < PART_ROWS && json.bytes < PART_BYTES && Date.now() < end);
  await json.write(rows === 0 ? '[]\n' : '\n]\n');
  return { files: [await json.end(rows), await csv.end(rows), ...beside], rows, after };
}

const lineOf = (record: ExportRecord, first: boolean) => `${first ? '[\n' : ',\n'}${JSON.stringify(record)}`;

function cellOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
