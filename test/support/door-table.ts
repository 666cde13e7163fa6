import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { giveConsent, listConsentEvents } from '../../src/domain/consents/consents.js';
import { addLink } from '../../src/domain/federation/federation.js';
import { applyTopics } from '../../src/domain/messages/messages.js';
import { askRight, giveMandate, lawFor } from '../../src/domain/rights/rights.js';
import type { Keyring } from '../../src/platform/crypto/keyring.js';
import type { Db } from '../../src/platform/storage/db.js';
import { sealPersonal } from '../../src/platform/storage/origin.js';
import { openWork } from '../../src/platform/storage/work.js';
import { NEWS } from './topics.js';

/** Somebody whose things others try to reach. */
export interface Owner {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly accountId: string;
  /** Asks the API, with a token for everything; gives what came. */
  api(method: string, path: string, body?: object): Promise<Readonly<Record<string, unknown>>>;
  /** Sends a form in the owner's browser; gives where it leads. */
  post(path: string, fields: Readonly<Record<string, string>>): Promise<string>;
}

/** What one route under `/account` or `/api/me` needs to be asked at all. */
export interface DoorEntry {
  /** What its owner is answered: 200 for a page, 303 for a form. */
  readonly owner: number;
  /** What the path names that everybody has, such as an attribute. */
  readonly named?: Readonly<Record<string, string>>;
  /** The owner's things that the path names, made anew each time; others find none there. */
  readonly params?: (owner: Owner) => Promise<Readonly<Record<string, string>>>;
  /** What somebody else is answered for a thing of the owner's; 404 unless a page says it more kindly. */
  readonly stranger?: number;
  /** Fields of a form, or members of a body, that would be taken from the owner. */
  readonly sent?: Readonly<Record<string, unknown>>;
  /** A file is made and put on record, and no page shown. */
  readonly file?: true;
  /** The form carries a file. */
  readonly upload?: true;
}

/** One that freezes nothing: its owner is needed for other routes. */
async function harmlessEvent({ db, accountId }: Owner): Promise<{ readonly id: string }> {
  const event = await db('events').where({ account_id: accountId, type: 'terms.accepted' }).first('id');
  return { id: String(event?.id) };
}

async function latestEvent({ db, accountId }: Owner): Promise<{ readonly id: string }> {
  const event = await db('events').where({ account_id: accountId }).orderBy('id', 'desc').first('id');
  return { id: String(event?.id) };
}

async function aConsentEvent({ db, accountId }: Owner): Promise<{ readonly event: string }> {
  const clientId = 'app_of_the_doors';
  const nothing = { scopes: [], refusedScopes: [], refusedClaims: [] };
  await openWork(db, { kind: 'person', id: accountId }, work =>
    giveConsent(work, { accountId, clientId, ...nothing, claims: ['name'], language: 'en' }),
  );
  const [event] = (await listConsentEvents(db, accountId, { clientId })).slice(-1);
  return { event: event?.id ?? '' };
}

/** An app that its owner lets have something, and said so anew. */
async function anAllowedApp({ db, accountId }: Owner): Promise<{ readonly client: string }> {
  const client = 'app_of_this_owner';
  const [created_at, metadata] = [new Date(), { client_name: 'Shop' }];
  const row = { client_id: client, metadata, created_at, updated_at: created_at };
  await db('clients').insert(row).onConflict('client_id').ignore();
  const nothing = { refusedScopes: [], refusedClaims: [] };
  await openWork(db, { kind: 'person', id: accountId }, work =>
    giveConsent(work, {
      accountId,
      clientId: client,
      ...nothing,
      scopes: ['openid', 'profile', 'email'],
      claims: ['name'],
      language: 'en',
    }),
  );
  return { client };
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

let things = 0;
const newAddress = () => `thing-${++things}@example.test`;

async function aContact({ db, accountId, api }: Owner, verified_at: Date | null = new Date()) {
  const address = newAddress();
  const row = { account_id: accountId, address, verified_at, is_primary: false, added_at: new Date() };
  await db('email_addresses').insert(row);
  const { contacts } = (await api('GET', '/api/me/contacts')) as {
    readonly contacts: readonly { readonly id: string; readonly address: string }[];
  };
  return { id: contacts.find(one => one.address === address)?.id ?? '' };
}

async function aContactChange({ db, accountId }: Owner): Promise<{ readonly change: string }> {
  const before = await db('email_addresses').where({ account_id: accountId });
  const contacts = before.map(({ address, verified_at, is_primary, added_at }) => {
    return { kind: 'email', address, verifiedAt: verified_at, isPrimary: is_primary, addedAt: added_at };
  });
  const change = uuidv7();
  await db('contact_changes').insert({
    account_id: accountId,
    id: change,
    kind: 'email',
    what: 'added',
    address: newAddress(),
    before: JSON.stringify(contacts),
    undo_digest: randomBytes(32),
    asked_from: randomBytes(32),
    made_at: new Date(),
    undo_until: new Date(Date.now() + 86_400_000),
  });
  return { change };
}

async function aProof({ post }: Owner): Promise<{ readonly proof: string }> {
  const location = await post('/account/contacts/add-email', { email: newAddress() });
  return { proof: location.split('/').pop() ?? '' };
}

async function anAppsProof({ api }: Owner): Promise<{ readonly proof: string }> {
  const { proof } = await api('POST', '/api/me/contacts', { kind: 'email', address: newAddress() });
  return { proof: String(proof) };
}

async function aProfileChange({ api }: Owner): Promise<{ readonly change: string }> {
  const change = async () => {
    const { changes } = (await api('PATCH', '/api/me/profile', { middle_name: `Name ${++things}` })) as {
      readonly changes: readonly { readonly change_id?: string }[];
    };
    return changes[0]?.change_id;
  };
  /* Only what takes the place of something can be undone. */
  return { change: (await change()) ?? (await change()) ?? '' };
}

async function withoutWishes({ db, accountId }: Owner): Promise<Readonly<Record<string, string>>> {
  await db('corrections').where({ account_id: accountId }).delete();
  return {};
}

async function aWaitingChange({ db, keyring, accountId }: Owner): Promise<{ readonly change: string }> {
  await db('profile_changes').where({ account_id: accountId, state: 'waiting' }).delete();
  const change = uuidv7();
  await db('profile_changes').insert({
    account_id: accountId,
    id: change,
    attribute: 'gender',
    state: 'waiting',
    value: keyring.seal('profile-change', JSON.stringify([accountId, change, 'female'])),
    asked_at: new Date(),
  });
  return { change };
}

async function aCorrection({ db, accountId, api }: Owner): Promise<{ readonly correction: string }> {
  const attribute = 'given_name';
  await db('corrections').where({ account_id: accountId, attribute }).delete();
  await api('POST', '/api/me/profile/corrections', { attribute, wish: 'Please' });
  const row = await db('corrections').where({ account_id: accountId, attribute }).first('id');
  return { correction: row.id };
}

async function noCopy({ db, accountId }: Owner): Promise<Readonly<Record<string, string>>> {
  await db('exports').where({ account_id: accountId }).delete();
  return {};
}

/** A copy with nothing in it. */
async function aReadyCopy({ db, keyring, accountId }: Owner): Promise<{ readonly id: string }> {
  const id = uuidv7();
  const { sealed: key } = await db('subject_keys').where({ account_id: accountId }).first('sealed');
  const [asked_at, expires_at] = [new Date(), new Date(Date.now() + 86_400_000)];
  const [sealed] = await sealPersonal(
    [
      {
        personal: { keyring, accountId, context: `export ${id}`, plain: randomBytes(32).toString('base64') },
      },
    ],
    async () => [{ account_id: accountId, sealed: key }],
  );
  await db('exports').insert({
    account_id: accountId,
    id,
    scope: 'access',
    state: 'ready',
    language: 'en',
    sealed: Buffer.from(String(sealed).slice(2), 'hex'),
    asked_at,
    looked_at: asked_at,
    ready_at: asked_at,
    expires_at,
  });
  return { id };
}

async function noRequests({ db, accountId }: Owner): Promise<Readonly<Record<string, string>>> {
  await db('rights_requests').where({ account_id: accountId }).delete();
  await db('rights_mandates').where({ account_id: accountId }).delete();
  return {};
}

async function aRequest(owner: Owner, state: 'open' | 'unconfirmed'): Promise<{ readonly id: string }> {
  const { db, keyring, accountId } = owner;
  await noRequests(owner);
  const kind = 'erasure' as const;
  const asking = { accountId, kind, law: lawFor({}), words: 'All', unconfirmed: state === 'unconfirmed' };
  const asked = await openWork(db, { kind: 'person', id: accountId }, work =>
    askRight(work, keyring, asking),
  );
  return { id: asked === 'too_many' ? '' : asked.id };
}

async function aMandate(owner: Owner): Promise<{ readonly id: string }> {
  const { db, keyring, accountId } = owner;
  await noRequests(owner);
  const expiresAt = new Date(Date.now() + 86_400_000);
  const given = await openWork(db, { kind: 'person', id: accountId }, work =>
    giveMandate(work, keyring, { accountId, agent: 'Watch', rights: ['access'], expiresAt }),
  );
  return { id: given?.id ?? '' };
}

/** One of two, so that it is not the last way in. */
async function aLink({ db, keyring, accountId }: Owner): Promise<{ readonly id: string }> {
  const linking = { accountId, providerId: 'elsewhere', identity: { subject: uuidv7(), claims: {} } };
  await db('federated_links').where({ account_id: accountId }).delete();
  const added = await openWork(db, { kind: 'person', id: accountId }, work =>
    addLink(work, keyring, linking, 'added'),
  );
  return { id: 'id' in added ? added.id : '' };
}

const PROFILE = '/account/profile';
const CONTACTS = '/account/contacts';
const nickname = { named: { attribute: 'nickname' } };
const birthdate = { named: { attribute: 'birthdate' } };
const picture = { named: { attribute: 'picture' } };

/* Two of them, so that either may go. */
async function anApp({ db, accountId }: Owner): Promise<{ readonly id: string }> {
  const rows = [uuidv7(), uuidv7()].map(id => ({
    id,
    account_id: accountId,
    name: 'App',
    sealed: Buffer.alloc(1),
    secret_digest: randomBytes(32),
    last_period: 0,
    added_at: new Date(),
  }));
  await db('authenticator_apps').where({ account_id: accountId }).delete();
  await db('authenticator_apps').insert(rows);
  return { id: rows[0]?.id ?? '' };
}

async function withoutMoves({ db, accountId }: Owner): Promise<Readonly<Record<string, string>>> {
  await db('moves').where({ account_id: accountId }).delete();
  return {};
}

/** The latest move of somebody, begun by an app that knows no session. */
async function aMove(owner: Owner, state = 'waiting'): Promise<Readonly<Record<string, string>>> {
  const { db, accountId } = owner;
  await withoutMoves(owner);
  const now = new Date();
  await db('moves').insert({
    account_id: accountId,
    id: uuidv7(),
    state,
    started_at: now,
    until: new Date(now.getTime() + 600_000),
    proved_at: now,
    started_from: randomBytes(32),
    ended_at: state === 'finished' ? now : null,
  });
  return {};
}

/** A session of its owner in some other browser. */
async function aDevice({ db, accountId }: Owner): Promise<{ readonly id: string }> {
  const now = Math.floor(Date.now() / 1000);
  const id = uuidv7();
  await db('sessions').insert({
    uid: randomBytes(16).toString('base64url'),
    id_digest: randomBytes(32),
    id_sealed: Buffer.alloc(1),
    account_id: accountId,
    device: id,
    login_ts: now,
    issued_at: now,
    expires_at: now + 1_000,
  });
  return { id };
}

async function aRemembered({ db, accountId }: Owner): Promise<{ readonly id: string }> {
  const id = uuidv7();
  const at = new Date();
  await db('remembered_browsers').insert({
    account_id: accountId,
    id,
    digest: randomBytes(32),
    remembered_at: at,
    expires_at: new Date(at.getTime() + 86_400_000),
  });
  return { id };
}

/** Every page, form and operation. A topic adds its own; `test/attack/doors.test.ts` tries each with everybody. */
export const DOORS: Readonly<Record<string, DoorEntry>> = {
  'GET /account': { owner: 200 },
  'GET /account/recovery': { owner: 200 },
  'GET /api/me/recovery': { owner: 200 },
  'DELETE /api/me/recovery': { owner: 200 },
  'POST /account/recovery/stop': { owner: 303, sent: { how: 'stop' } },
  'GET /account/sign-in': { owner: 200 },
  'GET /account/sign-in/password': { owner: 200 },
  'POST /account/sign-in/password': { owner: 400, sent: { password: 'short' } },
  'POST /account/sign-in/password/remove': { owner: 303, params: aPasskey },
  'GET /account/sign-in/apps/new': { owner: 200 },
  'POST /account/sign-in/apps/new': { owner: 400 },
  'GET /account/sign-in/apps/:id': { owner: 200, params: anApp },
  'POST /account/sign-in/apps/:id': { owner: 303, params: anApp, sent: { name: 'Blue phone' } },
  'POST /account/sign-in/apps/:id/remove': { owner: 303, params: anApp },
  'GET /account/sign-in/second-step': { owner: 200 },
  'POST /account/sign-in/second-step/end': { owner: 303 },
  'GET /account/sign-in/recovery-codes': { owner: 200 },
  'POST /account/sign-in/recovery-codes': { owner: 303 },
  'POST /account/sign-in/recovery-codes/file': { owner: 303 },
  'GET /account/sign-in/passkeys/new': { owner: 200 },
  'POST /account/sign-in/passkeys/new': { owner: 400 },
  'POST /account/sign-in/passkeys/new/options': { owner: 200 },
  'GET /account/sign-in/passkeys/:id': { owner: 200, params: aPasskey },
  'POST /account/sign-in/passkeys/:id': { owner: 303, params: aPasskey, sent: { name: 'Blue phone' } },
  'POST /account/sign-in/passkeys/:id/remove': { owner: 303, params: aPasskey },
  'GET /account/linked': { owner: 200 },
  'POST /account/linked/add/:provider': { owner: 303, named: { provider: 'nowhere' } },
  /* A trip is good in the session and browser that began it, and in no other. */
  'GET /account/linked/back/:trip': { owner: 303, named: { trip: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e55' } },
  'GET /account/linked/:id': { owner: 200, params: aLink },
  'POST /account/linked/:id/remove': { owner: 303, params: aLink },
  'GET /account/merge': { owner: 200 },
  'POST /account/merge': { owner: 303 },
  'POST /account/merge/undo': { owner: 303 },
  /* What names two accounts is sealed for one browser: of any other nothing is shown. */
  'GET /account/merge/with/:pair': { owner: 303, named: { pair: 'nothing' } },
  'POST /account/merge/with/:pair': { owner: 303, named: { pair: 'nothing' } },
  'GET /account/move': { owner: 200, params: withoutMoves },
  'POST /account/move': { owner: 303 },
  'GET /account/move/now': { owner: 200, params: aMove },
  'GET /account/move/now.json': { owner: 200, params: aMove },
  'POST /account/move/now/confirm': { owner: 409, params: aMove, sent: { number: '47' } },
  'POST /account/move/now/refuse': { owner: 303, params: aMove },
  'POST /account/move/now/cancel': { owner: 303, params: aMove },
  'GET /account/move/old': { owner: 200, params: owner => aMove(owner, 'tested') },
  'POST /account/move/old': { owner: 303, params: owner => aMove(owner, 'tested'), sent: { keep: 'yes' } },
  'GET /account/move/done': { owner: 200, params: owner => aMove(owner, 'finished') },
  'GET /api/me/move': { owner: 200, params: aMove },
  'POST /api/me/move': { owner: 403, sent: {} },
  'POST /api/me/move/confirm': { owner: 403, params: aMove, sent: { number: 47 } },
  'DELETE /api/me/move': { owner: 204, params: aMove },
  'GET /account/apps': { owner: 200 },
  'GET /account/apps/:client': { owner: 200, params: anAllowedApp },
  'POST /account/apps/:client': { owner: 303, params: anAllowedApp, sent: { until: '30' } },
  'GET /account/apps/:client/remove': { owner: 200, params: anAllowedApp },
  'POST /account/apps/:client/remove': { owner: 303, params: anAllowedApp },
  'GET /api/me/apps': { owner: 200 },
  'GET /api/me/apps/:client': { owner: 200, params: anAllowedApp },
  'PATCH /api/me/apps/:client': { owner: 200, params: anAllowedApp, sent: { refuse: ['name'] } },
  'GET /account/disclosures': { owner: 200 },
  'GET /account/disclosures.csv': { owner: 200 },
  'GET /account/disclosures.json': { owner: 200 },
  'GET /api/me/disclosures': { owner: 200 },
  'GET /account/devices': { owner: 200 },
  'GET /account/devices/end-others': { owner: 200 },
  'POST /account/devices/end-others': { owner: 303 },
  'GET /account/devices/:id/end': { owner: 200, params: aDevice, stranger: 303 },
  'POST /account/devices/:id/end': { owner: 303, params: aDevice, stranger: 303 },
  'GET /account/devices/:id/object': { owner: 200, params: aDevice, stranger: 303 },
  'POST /account/devices/remembered/forget-all': { owner: 303 },
  'POST /account/devices/remembered/:id/forget': { owner: 303, params: aRemembered, stranger: 303 },
  'GET /account/history': { owner: 200 },
  'GET /account/history.csv': { owner: 200 },
  'GET /account/history.json': { owner: 200 },
  'GET /account/history/:id/object': { owner: 200, params: latestEvent },
  'GET /api/me/history': { owner: 200 },
  'POST /api/me/history/:id/object': { owner: 409, params: harmlessEvent },
  [`GET ${PROFILE}`]: { owner: 200 },
  [`GET ${PROFILE}/change/:attribute`]: { owner: 200, ...nickname },
  [`POST ${PROFILE}/change/:attribute`]: { owner: 303, ...nickname, sent: { value: 'Nick' } },
  [`GET ${PROFILE}/sure-change/:attribute`]: { owner: 200, ...birthdate },
  [`POST ${PROFILE}/sure-change/:attribute`]: { owner: 303, ...birthdate, sent: { value: '1990-01-02' } },
  [`GET ${PROFILE}/purpose/:purpose`]: { owner: 200, named: { purpose: 'age' } },
  [`POST ${PROFILE}/purpose/:purpose`]: { owner: 303, named: { purpose: 'age' } },
  [`GET ${PROFILE}/undo/:change`]: { owner: 200, params: aProfileChange },
  [`POST ${PROFILE}/undo/:change`]: { owner: 303, params: aProfileChange },
  [`POST ${PROFILE}/withdraw/:change`]: { owner: 303, params: aWaitingChange },
  [`GET ${PROFILE}/correction/:attribute`]: { owner: 200, ...nickname },
  [`POST ${PROFILE}/correction/:attribute`]: { owner: 303, ...nickname, sent: { wish: 'Please' } },
  [`POST ${PROFILE}/corrections/:correction/withdraw`]: { owner: 303, params: aCorrection },
  [`GET ${PROFILE}/picture/:attribute`]: { owner: 200, ...picture },
  [`POST ${PROFILE}/picture/:attribute`]: { owner: 422, ...picture, upload: true },
  [`POST ${PROFILE}/picture/:attribute/remove`]: { owner: 303, ...picture },
  [`GET ${PROFILE}/sure-picture/:attribute`]: { owner: 200, ...picture },
  [`POST ${PROFILE}/sure-picture/:attribute`]: { owner: 422, ...picture, upload: true },
  [`POST ${PROFILE}/sure-picture/:attribute/remove`]: { owner: 303, ...picture },
  [`GET ${CONTACTS}`]: { owner: 200 },
  [`GET ${CONTACTS}/add-email`]: { owner: 200 },
  [`POST ${CONTACTS}/add-email`]: { owner: 303, sent: { email: 'one-more@example.test' } },
  [`GET ${CONTACTS}/add-phone`]: { owner: 200 },
  [`POST ${CONTACTS}/add-phone`]: { owner: 303, sent: { phone: '+4915112345678' } },
  [`GET ${CONTACTS}/proofs/:proof`]: { owner: 200, params: aProof },
  [`POST ${CONTACTS}/proofs/:proof`]: {
    owner: 400,
    params: aProof,
    sent: { code: '00000000' },
  },
  [`POST ${CONTACTS}/proofs/:proof/send`]: { owner: 303, params: aProof },
  [`GET ${CONTACTS}/changes/:change`]: { owner: 200, params: aContactChange },
  [`POST ${CONTACTS}/changes/:change`]: { owner: 303, params: aContactChange },
  [`GET ${CONTACTS}/:id`]: { owner: 200, params: aContact },
  [`POST ${CONTACTS}/:id/prove`]: { owner: 303, params: owner => aContact(owner, null) },
  [`POST ${CONTACTS}/:id/main`]: { owner: 303, params: aContact },
  [`POST ${CONTACTS}/:id/remove`]: { owner: 303, params: aContact },
  'GET /account/messages': { owner: 200 },
  'GET /account/data': { owner: 200 },
  'GET /account/data/import': { owner: 200 },
  'POST /account/data/import': { owner: 422, upload: true },
  'POST /account/data/import/take': { owner: 422 },
  'POST /account/data/import/drop': { owner: 303 },
  'GET /account/data/copy': { owner: 200 },
  'POST /account/data/copy': { owner: 303, params: noCopy, sent: { scope: 'portability' } },
  'GET /account/data/copies/:id/file': { owner: 200, params: aReadyCopy, file: true },
  'GET /account/data/copies/:id/state': { owner: 200, params: aReadyCopy },
  'POST /account/data/copies/:id/drop': { owner: 303, params: aReadyCopy, stranger: 303 },
  'GET /account/data/requests': { owner: 200 },
  'GET /account/data/requests/ask/:right': { owner: 200, named: { right: 'erasure' } },
  'POST /account/data/requests/ask/:right': {
    owner: 303,
    named: { right: 'erasure' },
    sent: { words: 'All of it' },
  },
  'GET /account/data/requests/:id': { owner: 200, params: owner => aRequest(owner, 'open') },
  'POST /account/data/requests/:id/withdraw': { owner: 303, params: owner => aRequest(owner, 'open') },
  'POST /account/data/requests/:id/confirm': {
    owner: 303,
    params: owner => aRequest(owner, 'unconfirmed'),
  },
  'POST /account/data/requests/:id/end': { owner: 303, params: owner => aRequest(owner, 'open') },
  'GET /account/data/agents': { owner: 200 },
  'GET /account/data/agents/give': { owner: 200 },
  'POST /account/data/agents/give': {
    owner: 303,
    params: noRequests,
    sent: { agent: 'Consumer Watch', right: 'access', days: '30' },
  },
  'POST /account/data/agents/:id/file': { owner: 200, params: aMandate, file: true },
  'POST /account/data/agents/:id/revoke': { owner: 303, params: aMandate },
  'GET /api/me/rights': { owner: 200 },
  'GET /api/me/rights/:id': { owner: 200, params: owner => aRequest(owner, 'open') },
  'POST /api/me/rights': { owner: 201, params: noRequests, sent: { right: 'erasure', words: 'All of it' } },
  'POST /api/me/rights/:id/withdraw': { owner: 200, params: owner => aRequest(owner, 'open') },
  'POST /api/me/rights/:id/confirm': { owner: 200, params: owner => aRequest(owner, 'unconfirmed') },
  'POST /api/me/rights/:id/end': { owner: 200, params: owner => aRequest(owner, 'open') },
  'GET /api/me/exports': { owner: 200 },
  'POST /api/me/exports': { owner: 202, params: noCopy, sent: { scope: 'portability' } },
  'GET /api/me/exports/:id': { owner: 200, params: aReadyCopy },
  'DELETE /api/me/exports/:id': { owner: 204, params: aReadyCopy },
  'GET /api/me/exports/:id/file': { owner: 200, params: aReadyCopy, file: true },
  'GET /account/data/delete': { owner: 200 },
  'POST /account/data/delete/keep': { owner: 303 },
  'POST /account/data/delete': { owner: 303 },
  'GET /api/me/deletion': { owner: 200 },
  'POST /api/me/deletion': { owner: 202 },
  'DELETE /api/me/deletion': { owner: 200 },
  'GET /account/preferences': { owner: 200 },
  'POST /account/preferences': {
    owner: 303,
    params: withTopics,
    sent: { read: 'news email 1 en', want: 'news email 1 en' },
  },
  'POST /account/preferences/language': { owner: 303, sent: { language: 'de', zone: 'Europe/Berlin' } },
  'POST /account/preferences/sale': { owner: 303, sent: { sale: 'opted_in' } },
  'GET /api/me': { owner: 200 },
  'GET /api/me/profile': { owner: 200 },
  'PATCH /api/me/profile': { owner: 200, sent: { nickname: 'Nicky' } },
  'POST /api/me/profile/changes/:change/undo': { owner: 200, params: aProfileChange },
  'POST /api/me/profile/changes/:change/withdraw': { owner: 200, params: aWaitingChange },
  /* A file is taken, and JSON is none: what comes of one is in `manage/picture.test.ts`. */
  'PUT /api/me/profile/pictures/:attribute': { owner: 400, ...picture },
  'DELETE /api/me/profile/purposes/:purpose': { owner: 200, named: { purpose: 'age' } },
  'POST /api/me/profile/corrections': {
    owner: 202,
    params: withoutWishes,
    sent: { attribute: 'middle_name', wish: 'Please' },
  },
  'GET /api/me/contacts': { owner: 200 },
  'POST /api/me/contacts': { owner: 202, sent: { kind: 'email', address: 'by-app@example.test' } },
  'POST /api/me/contacts/proofs/:proof': {
    owner: 400,
    params: anAppsProof,
    sent: { code: '00000000' },
  },
  'POST /api/me/contacts/changes/:change/undo': { owner: 204, params: aContactChange },
  'POST /api/me/contacts/:id/primary': { owner: 204, params: aContact },
  'DELETE /api/me/contacts/:id': { owner: 204, params: aContact },
  'GET /api/me/sign-in-methods': { owner: 200 },
  'DELETE /api/me/sign-in-methods/password': { owner: 404, params: aPasskey },
  'PATCH /api/me/sign-in-methods/passkeys/:id': {
    owner: 204,
    params: aPasskey,
    sent: { name: 'Blue phone' },
  },
  'DELETE /api/me/sign-in-methods/passkeys/:id': { owner: 204, params: aPasskey },
  'PATCH /api/me/sign-in-methods/apps/:id': { owner: 204, params: anApp, sent: { name: 'Blue phone' } },
  'DELETE /api/me/sign-in-methods/apps/:id': { owner: 204, params: anApp },
  'GET /api/me/linked': { owner: 200 },
  'DELETE /api/me/linked/:id': { owner: 204, params: aLink },
  'GET /api/me/devices': { owner: 200 },
  'POST /api/me/devices/end-others': { owner: 200 },
  'GET /api/me/devices/remembered': { owner: 200 },
  'DELETE /api/me/devices/remembered': { owner: 204 },
  'DELETE /api/me/devices/remembered/:id': { owner: 204, params: aRemembered },
  'DELETE /api/me/devices/:id': { owner: 204, params: aDevice },
  'DELETE /api/me/apps/:client': { owner: 204, params: anAllowedApp },
  'POST /account/receipts/:event': { owner: 200, params: aConsentEvent },
  'POST /api/me/receipts/:event': { owner: 201, params: aConsentEvent },
  'GET /api/me/messages': { owner: 200 },
  'GET /api/me/preferences': { owner: 200 },
  'PATCH /api/me/preferences': { owner: 200, sent: { language: 'fr', time_zone: 'Europe/Paris' } },
};

/** What answers everybody, or checks for itself who comes, and why. */
export const OPEN: Readonly<Record<string, string>> = {
  'GET /account/callback': 'takes a sealed state of this browser and a code',
  'GET /undo/:token': 'takes the link of a notice',
  'POST /undo/:token': 'takes the link of a notice',
  'GET /pictures/:token': 'shows what its person lets be shown',
  'GET /account/switch': 'begins an authorization request',
  'GET /api/me/openapi.json': 'describes the API',
  'GET /.well-known/oauth-protected-resource/api/me': 'says where its tokens come from',
};
