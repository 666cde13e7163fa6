import { openSchema, setAttributes } from '../../src/domain/profiles/profiles.js';
import type { Db } from '../../src/platform/storage/db.js';
import { openWork } from '../../src/platform/storage/work.js';

/** Sets what is known about somebody, as if an operator had. */
export async function setProfile(
  db: Db,
  accountId: string,
  values: Readonly<Record<string, unknown>>,
): Promise<void> {
  const schema = await openSchema(db);
  await openWork(db, { kind: 'operator' }, work =>
    setAttributes(work, schema, accountId, values, 'operator'),
  );
}
