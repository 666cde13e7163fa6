import { z } from 'zod';
import {
  type ExportFile,
  type Exporting,
  instant,
  tableFile,
  whence,
} from '../../platform/storage/export-file.js';

const move = z.strictObject({
  id: z.uuid(),
  state: z.string(),
  started_at: instant,
  until: instant,
  proved_at: instant,
  ended_at: instant.nullable(),
  started_from: whence,
  claimed_from: whence,
  claimed_at: instant.nullable(),
  kind: z.string().nullable(),
  bound: z.uuid().nullable(),
  bound_at: instant.nullable(),
});

/** What this room holds about somebody's moves to a new phone. */
export function exportMoves(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'phone-moves',
      table: 'moves',
      key: ['id'],
      record: move,
      sealed: { started_from: ['started_from'], claimed_from: ['claimed_from'] },
      open: row => ({
        started_from: from.whence('move', row['started_from']),
        claimed_from: from.whence('move', row['claimed_from']),
      }),
    }),
  ];
}
