import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { applyTopics } from '../../src/domain/messages/messages.js';
import type { Db } from '../../src/platform/storage/db.js';
import { openWork } from '../../src/platform/storage/work.js';
import { NEWS } from './topics.js';

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

async function latestEvent({ db, accountId }: Owner): Promise<{ readonly id: string }> {
  const event = await db('events').where({ account_id: accountId }).orderBy('id', 'desc').first('id');
  return { id: String(event?.id) };
}

async function aPasskey({ db, accountId }: Owner): Promise<{ readonly id: string }> {
  const passkey = { id: uuidv7(), credential_id: randomBytes(16).toString('base64url') };
  await db('passkeys').insert({
    ...passkey,
    account_id: accountId,
    public_key: Buffer.alloc(1),
    sign_count: 0,
    transports: [],
    aaguid: '00000000-0000-0000-0000-000000000000',
    backup_eligible: false,
    backed_up: false,
    user_verified: true,
    name: 'Passkey',
    added_at: new Date(),
  });
  return passkey;
}

async function withTopics({ db }: Owner): Promise<Readonly<Record<string, string>>> {
  await openWork(db, { kind: 'operator' }, work => applyTopics(work, NEWS));
  return {};
}

/** Every page, form and operation. A topic adds its own; `test/attack/doors.test.ts` tries each with everybody. */
export const DOORS: Readonly<Record<string, DoorEntry>> = {
  'GET /account': { owner: 200 },
  'GET /account/sign-in': { owner: 200 },
  'POST /account/sign-in/end-others': { owner: 303 },
  'GET /account/sign-in/password': { owner: 200 },
  'POST /account/sign-in/password': { owner: 400, sent: { password: 'short' } },
  'POST /account/sign-in/password/remove': { owner: 303, params: aPasskey },
  'GET /account/sign-in/passkeys/new': { owner: 200 },
  'POST /account/sign-in/passkeys/new': { owner: 400 },
  'POST /account/sign-in/passkeys/new/options': { owner: 200 },
  'GET /account/sign-in/passkeys/:id': { owner: 200, params: aPasskey },
  'POST /account/sign-in/passkeys/:id': { owner: 303, params: aPasskey, sent: { name: 'Blue phone' } },
  'POST /account/sign-in/passkeys/:id/remove': { owner: 303, params: aPasskey },
  'GET /account/history': { owner: 200 },
  'GET /account/history.csv': { owner: 200 },
  'GET /account/history.json': { owner: 200 },
  'GET /account/history/:id/object': { owner: 200, params: latestEvent },
  'GET /api/me/history': { owner: 200 },
  'GET /account/messages': { owner: 200 },
  'GET /account/preferences': { owner: 200 },
  'POST /account/preferences': {
    owner: 303,
    params: withTopics,
    sent: { read: 'news email 1 en', want: 'news email 1 en' },
  },
  'POST /account/preferences/language': { owner: 303, sent: { language: 'de', zone: 'Europe/Berlin' } },
  'GET /api/me': { owner: 200 },
  'GET /api/me/messages': { owner: 200 },
  'GET /api/me/preferences': { owner: 200 },
  'PATCH /api/me/preferences': { owner: 200, sent: { language: 'fr', time_zone: 'Europe/Paris' } },
};

/** What answers everybody, or checks for itself who comes, and why. */
export const OPEN: Readonly<Record<string, string>> = {
  'GET /account/callback': 'takes a sealed state of this browser and a code',
  'GET /account/switch': 'begins an authorization request',
  'GET /api/me/openapi.json': 'describes the API',
  'GET /.well-known/oauth-protected-resource/api/me': 'says where its tokens come from',
};
