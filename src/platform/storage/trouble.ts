/** Something on this machine keeps the database from working; `message` is one sentence that says what to do. */
export class StorageTrouble extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'StorageTrouble';
  }
}

/** The sentence that ends every trouble an outside database would get round. */
export const OR_ANOTHER_DATABASE = 'or set KEYHOLD_DATABASE_URL to a Postgres of your own';

/** The code of a system or Postgres error (`ENOENT`, `28P01`), or the empty string. */
export function errorCode(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

const FILE_TROUBLES: Readonly<Record<string, (path: string) => string>> = {
  ENOSPC: path => `The disk that holds ${path} is full; free some space (about 100 MB) and start again.`,
  EDQUOT: path => `The disk quota of ${path} is used up; free some space (about 100 MB) and start again.`,
  EROFS: path => `${path} is on a read-only disk; set KEYHOLD_DATA_DIR to a folder that can be written to.`,
  EACCES: path =>
    `${path} cannot be used by this user (uid ${process.getuid?.() ?? '?'}); change its owner or set KEYHOLD_DATA_DIR to another folder.`,
  EPERM: path =>
    `${path} cannot be used by this user (uid ${process.getuid?.() ?? '?'}); change its owner or set KEYHOLD_DATA_DIR to another folder.`,
  ENOENT: path => `${path} cannot be made; set KEYHOLD_DATA_DIR to another folder.`,
  ENOTDIR: path =>
    `${path} runs through something that is not a folder; move that away or set KEYHOLD_DATA_DIR.`,
  EEXIST: path => `${path} is not a folder; move it away or set KEYHOLD_DATA_DIR to another folder.`,
};

/** A failed file operation, told as a trouble of `path`. */
export function fileTrouble(path: string, error: unknown): StorageTrouble {
  if (error instanceof StorageTrouble) return error;
  const say = FILE_TROUBLES[errorCode(error)];
  const reason = error instanceof Error ? error.message : String(error);
  return new StorageTrouble(say ? say(path) : `${path} cannot be used: ${reason}.`, error);
}
