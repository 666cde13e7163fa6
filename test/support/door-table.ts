import type { Db } from '../../src/platform/storage/db.js';

/** Somebody whose things others try to reach. */
export interface Owner {
  readonly db: Db;
  readonly accountId: string;
}

/** What one route under `/account` or `/api/me` needs to be asked at all. */
export interface DoorEntry {
  /** What its owner is answered: 200 for a page, 303 for a form. */
  readonly owner: number;
  /** The owner's things that the path names, made anew each time; others must find none there (404). */
  readonly params?: (owner: Owner) => Promise<Readonly<Record<string, string>>>;
  /** Fields of a form, or members of a body, that would be taken from the owner. */
  readonly sent?: Readonly<Record<string, unknown>>;
}

/** Every page, form and operation. A topic adds its own; `test/attack/doors.test.ts` tries each with everybody. */
export const DOORS: Readonly<Record<string, DoorEntry>> = {
  'GET /account': { owner: 200 },
  'GET /account/passkey': { owner: 303 },
  'GET /api/me': { owner: 200 },
};

/** What answers everybody, or checks for itself who comes, and why. */
export const OPEN: Readonly<Record<string, string>> = {
  'GET /account/callback': 'takes a sealed state of this browser and a code',
  'GET /account/switch': 'begins an authorization request',
  'GET /api/me/openapi.json': 'describes the API',
  'GET /.well-known/oauth-protected-resource/api/me': 'says where its tokens come from',
};
