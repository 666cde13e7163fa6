import { setTimeout as pause } from 'node:timers/promises';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import { addVerifiedEmail } from '../../src/domain/contacts/contacts.js';
import { openHashing, personalOf, type Way } from '../../src/domain/disclosures/disclosures.js';
import { setAttributes, standardSchema } from '../../src/domain/profiles/profiles.js';
import { type Keyring, openKeyring } from '../../src/platform/crypto/keyring.js';
import { digest, randomToken } from '../../src/platform/crypto/tokens.js';
import { openSubjectKey } from '../../src/platform/storage/origin.js';
import { openWork } from '../../src/platform/storage/work.js';
import { claimsOf } from '../support/disclosures.js';
import { openRawClient, type RawAnswer, type RawClient } from '../support/raw-client.js';
import type { RegisteredClient } from '../support/relying-party.js';
import type { Place } from './place.js';
import { openRandom, type Random } from './random.js';
import type { Rig } from './rig.js';

/** Somebody who lets an app have what it asks: an access token, and refresh tokens that are each used once. */
interface Member {
  readonly accountId: string;
  readonly access: string;
  readonly refresh: string[];
}

/** What a client was told by an answer that arrived. */
interface ToldAnswer {
  readonly accountId: string;
  readonly way: Way;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** What came of telling. */
export interface DisclosuresResult {
  readonly answers: number;
  /** Rows on record, and how many there were more of each second while clients asked. */
  readonly rows: number;
  readonly perSecond: number;
  readonly problems: readonly string[];
}

/** How clients ask, and what is done to whom they ask. */
export interface Telling {
  readonly seed: number;
  readonly members: number;
  readonly clients: number;
  /** Each member is asked about so often, in turns. */
  readonly rounds: number;
  /** People change their names meanwhile. */
  readonly changing: boolean;
  /** Processes that are killed meanwhile, one after the other. */
  readonly kills: number;
}

const SCOPE = 'openid profile email';
const HOUR = 3_600;

/**
 * Lets clients ask who people are, by access tokens and refresh tokens, while processes are killed; then compares what they
 * were told with what is on record.
 */
export async function runDisclosures(
  rig: Rig,
  telling: Telling,
  progress: (sentence: string) => void,
): Promise<DisclosuresResult> {
  const { place, secret } = rig;
  const keyring = openKeyring(secret);
  const app = await rig.registerClient({
    client_name: 'Teller',
    first_party: true,
    redirect_uris: ['https://teller.example/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    id_token_signed_response_alg: 'ES256',
  });
  const members = await plant(place, keyring, app, telling);
  progress(`${members.length} members`);
  const client = await openRawClient(rig, app, rig.front);
  const random = openRandom(telling.seed);
  const [told, problems]: [ToldAnswer[], string[]] = [[], []];
  const began = Date.now();
  let killing = true;
  const killed = killMeanwhile(rig, telling.kills, random).finally(() => {
    killing = false;
  });
  const queue = Array.from({ length: telling.rounds }, () => members).flat();
  const next = () => queue.pop() ?? (killing ? random.pick(members) : undefined);
  const clients = Array.from({ length: telling.clients }, async () => {
    for (let member = next(); member; member = next()) {
      if (telling.changing) await rename(place, member, random);
      await ask(client, member, told, problems);
    }
  });
  await Promise.all([killed, ...clients]);
  const seconds = (Date.now() - began) / 1_000;
  const rows = await countRows(place, app);
  const perSecond = Math.round(rows / seconds);
  progress(`${told.length} answers, ${rows} disclosures, ${perSecond} a second`);
  problems.push(...(await lost(place, keyring, app, told)), ...(await contradictions(place, app)));
  return { answers: told.length, rows, perSecond, problems };
}

async function killMeanwhile(rig: Rig, kills: number, random: Random): Promise<void> {
  for (let done = 0; done < kills; done++) {
    await pause(random.between(0, 300) + 200);
    const victim = random.pick(rig.servers);
    await victim.end('SIGKILL');
    await victim.start();
  }
}

/* People, each with an access token and a refresh token for every round, as if they had allowed the app everything. */
async function plant(
  { db }: Place,
  keyring: Keyring,
  { client_id }: RegisteredClient,
  { members, rounds }: Telling,
): Promise<readonly Member[]> {
  const { schema } = standardSchema();
  const now = Math.floor(Date.now() / 1000);
  const times = { issued_at: now, expires_at: now + HOUR };
  const planted: Member[] = [];
  for (let index = 0; index < members; index++) {
    const accountId = newAccountId();
    const email = `${accountId}@example.test`;
    const tokens = Array.from(
      { length: rounds + 1 },
      (_, at) => `kh_${at === 0 ? 'at' : 'rt'}_${randomToken()}`,
    );
    const [access = '', ...refresh] = tokens;
    await openWork(db, { kind: 'system' }, async work => {
      await openAccount(work, keyring, { id: accountId, email, language: 'en' });
      await addVerifiedEmail(work, accountId, email);
      const values = {
        name: `Member ${index}`,
        given_name: 'Member',
        nickname: `m${index}`,
        zoneinfo: 'Asia/Tokyo',
      };
      await setAttributes(work, schema, accountId, values, 'operator');
      const openid = { scope: SCOPE, claims: ['name', 'nickname', 'email'] };
      /* One of its own for each: whoever uses a refresh token twice loses all that hangs on its grant. */
      const grants = tokens.map(token => ({ token, id: randomToken() }));
      const own = { account_id: accountId, client_id };
      await work.tx('grants').insert(grants.map(({ id }) => ({ id, ...own, ...times, openid })));
      const rows = grants.map(({ id, token }) => ({
        digest: digest(token),
        grant_id: id,
        gty: 'authorization_code',
        scope: SCOPE,
        claims: { id_token: { name: null, nickname: null, email: null } },
        ...own,
        ...times,
      }));
      await work.tx('access_tokens').insert(rows.slice(0, 1));
      await work.tx('refresh_tokens').insert(rows.slice(1).map(row => ({ ...row, rotations: 0, iiat: now })));
    });
    planted.push({ accountId, access, refresh });
  }
  return planted;
}

async function rename({ db }: Place, { accountId }: Member, random: Random): Promise<void> {
  const values = { nickname: `m${random.between(0, 1_000_000)}` };
  await openWork(db, { kind: 'operator' }, work =>
    setAttributes(work, standardSchema().schema, accountId, values, 'operator'),
  );
}

async function ask(
  client: RawClient,
  { accountId, access, refresh }: Member,
  told: ToldAnswer[],
  problems: string[],
): Promise<void> {
  const answered = async (
    act: () => Promise<RawAnswer>,
    read: (answer: RawAnswer) => Omit<ToldAnswer, 'accountId'>,
  ) => {
    const answer = await act().catch(() => undefined);
    if (answer?.status === 200) told.push({ accountId, ...read(answer) });
    /* Whoever heard nothing, or is to come back, may have been told or not. */ else if (
      answer &&
      answer.status !== 503
    )
      problems.push(`${answer.status} ${answer.text.slice(0, 100)}`);
  };
  await answered(
    () => client.userInfo(access),
    ({ body }) => ({ way: 'userinfo', claims: body }),
  );
  const token = refresh.pop();
  if (!token) return;
  await answered(
    () => client.refresh(token),
    ({ body }) => ({ way: 'id_token', claims: claimsOf(String(body['id_token'])) }),
  );
  await answered(
    () => client.introspect(access),
    ({ body }) => ({ way: 'introspection', claims: body }),
  );
}

async function countRows({ db }: Place, { client_id }: RegisteredClient): Promise<number> {
  const row = await db('disclosures').where({ client_id }).count<{ count: string }>({ count: '*' }).first();
  return Number(row?.count);
}

/* What a client was told, and nothing on record says so. */
async function lost(
  { db }: Place,
  keyring: Keyring,
  { client_id }: RegisteredClient,
  told: readonly ToldAnswer[],
): Promise<readonly string[]> {
  const rows = await db('disclosures')
    .where({ client_id })
    .select('account_id', 'way', 'claim', 'value_hash');
  const known = new Set(
    rows.map(
      ({ account_id, way, claim, value_hash }) =>
        `${account_id} ${way} ${claim} ${value_hash.toString('hex')}`,
    ),
  );
  const keys = await db('subject_keys').select('account_id', 'sealed');
  const hashes = new Map(
    keys.map(({ account_id, sealed }) => {
      const key = openSubjectKey(keyring, account_id, sealed);
      if (!key) throw new Error('a key does not open');
      return [account_id as string, openHashing(key)] as const;
    }),
  );
  return told.flatMap(({ accountId, way, claims }) =>
    Object.entries(personalOf(claims, way))
      .filter(
        ([claim, value]) =>
          !known.has(`${accountId} ${way} ${claim} ${hashes.get(accountId)?.(claim, value)}`),
      )
      .map(([claim]) => `${claim} by ${way} of ${accountId} is on no record`),
  );
}

/* A row that says nothing new, or one that the present state knows nothing of. */
async function contradictions({ db }: Place, { client_id }: RegisteredClient): Promise<readonly string[]> {
  const { rows } = await db.raw<{ rows: { said: string }[] }>(
    `SELECT d.claim || ' by ' || d.way || ' stands twice with one value' AS said
     FROM disclosures d JOIN disclosures b ON b.account_id = d.account_id AND b.id = d.replaces AND b.claim = d.claim
     WHERE d.client_id = :client_id AND d.value_hash = b.value_hash
     UNION ALL
     SELECT d.claim || ' by ' || d.way || ' was told last, and the present state says otherwise'
     FROM disclosures d JOIN disclosed p ON p.account_id = d.account_id AND p.client_id = d.client_id AND p.way = d.way
     WHERE d.client_id = :client_id AND NOT EXISTS (SELECT FROM disclosures later WHERE later.account_id = d.account_id
       AND later.replaces = d.id AND later.claim = d.claim)
       AND (p.ids ->> d.claim <> d.id::text OR p.claims ->> d.claim <> encode(d.value_hash, 'hex'))`,
    { client_id },
  );
  return rows.map(({ said }) => said);
}
