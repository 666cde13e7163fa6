import { randomToken } from '../../platform/crypto/tokens.js';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';

const PATH = '/pictures/';

/** An address nobody can guess, for a picture that is about to be kept. */
export function newPicturePath(): string {
  return `${PATH}${randomToken(24)}`;
}

/** Keeps a picture where its value leads to, in the place of the one before; the value stands already. */
export async function keepPicture(
  work: Work,
  {
    accountId,
    attribute,
    path,
    bytes,
  }: {
    readonly accountId: string;
    readonly attribute: string;
    readonly path: string;
    readonly bytes: Buffer;
  },
): Promise<void> {
  const row = { account_id: accountId, attribute, token: path.slice(PATH.length), bytes, made_at: work.at };
  await work.tx('profile_pictures').insert(row).onConflict(['account_id', 'attribute']).merge();
}

/** The picture at an address, if it is there still. */
export async function findPicture(db: Db, token: string): Promise<Buffer | undefined> {
  const row = await db('profile_pictures').select('bytes').where({ token }).first();
  return row?.bytes as Buffer | undefined;
}
