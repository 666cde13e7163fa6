import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import {
  type ConsentState,
  changeConsent,
  findConsent,
  foldConsent,
  giveConsent,
  listConsentEvents,
  recordExpiry,
  refuseConsent,
  withdrawConsent,
} from '../../src/domain/consents/consents.js';
import { applySchema, openSchema, type StandingSchema } from '../../src/domain/profiles/profiles.js';
import { askedAgain } from '../../src/journeys/consent/asks.js';
import { termsOf } from '../../src/journeys/consent/terms.js';
import { boundedBy } from '../../src/oidc/bounded.js';
import { openClaims } from '../../src/oidc/claims.js';
import { decide } from '../../src/oidc/decision.js';
import type { ConsentSnapshot } from '../../src/oidc/memory.js';
import { type RequestScope, withinScope } from '../../src/oidc/request-scope.js';
import { openDataUse, purposesIn } from '../../src/oidc/uses.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork, type Work } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';

const keyring = openKeyring('a secret that is only good for tests');
const ISSUER = new URL('https://id.example');
const SCOPES = ['openid', 'email', 'profile', 'phone', 'address'];
const CLAIMS = ['nickname', 'gender', 'birthdate', 'given_name', 'email'];
const PURPOSES = ['naming', 'comfort', 'age', 'account', 'presence'];
const USES = ['comfort', 'age', 'presence'];
const APPS = ['album', 'shop'];
const HOUR = 3_600_000;

let database: TestDatabase;
let schema: StandingSchema;

beforeAll(async () => {
  database = await openTestDatabase();
  schema = await openSchema(database.db);
});

afterAll(() => database?.close());

type Act =
  | {
      act: 'answer';
      app: string;
      scopes: string[];
      claims: string[];
      tick: string[];
      uses: string[];
      tickUses: string[];
      lasts: number | undefined;
    }
  | {
      act: 'change';
      app: string;
      allow: string[];
      refuse: string[];
      allowUses: string[];
      refuseUses: string[];
      lasts: number | null | undefined;
    }
  | { act: 'refuse' | 'withdraw' | 'expire'; app: string }
  | { act: 'app'; app: string; purposes: string[]; verified: boolean }
  | { act: 'notice'; purpose: string; material: boolean };

const app = fc.constantFrom(...APPS);
const acts = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        act: fc.constant('answer' as const),
        app,
        scopes: fc.subarray(SCOPES),
        claims: fc.subarray(CLAIMS),
        tick: fc.subarray(CLAIMS),
        uses: fc.subarray(USES),
        tickUses: fc.subarray(USES),
        lasts: fc.constantFrom(undefined, undefined, 1 * HOUR, 1_000 * HOUR),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        act: fc.constant('change' as const),
        app,
        allow: fc.subarray(CLAIMS),
        refuse: fc.subarray(CLAIMS),
        allowUses: fc.subarray(USES),
        refuseUses: fc.subarray(USES),
        lasts: fc.constantFrom(undefined, null, 1 * HOUR, 1_000 * HOUR),
      }),
    },
    { weight: 2, arbitrary: fc.record({ act: fc.constantFrom('refuse', 'withdraw', 'expire'), app }) },
    {
      weight: 1,
      arbitrary: fc.record({
        act: fc.constant('app' as const),
        app,
        purposes: fc.subarray(PURPOSES),
        verified: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        act: fc.constant('notice' as const),
        purpose: fc.constantFrom(...PURPOSES),
        material: fc.boolean(),
      }),
    },
  ),
  { minLength: 2, maxLength: 12 },
) as fc.Arbitrary<Act[]>;

/** What somebody would say they allowed, thing for thing: the words they read, and until when. */
interface Agreed {
  readonly versions: ReadonlyMap<string, number>;
  readonly until: number;
  /** Of two answers about the same thing the later one counts. */
  readonly nr: number;
}

/* A model that knows no purposes of consents, no merging and no ledger: only what was ticked last, and under which words. */
class Model {
  readonly items = new Map<string, Agreed>();
  readonly refused = new Map<string, number>();
  private answers = 0;

  answer(allowed: string[], refused: string[], versions: ReadonlyMap<string, number>, until: number): void {
    const nr = ++this.answers;
    for (const item of allowed) {
      this.items.set(item, { versions, until, nr });
      this.refused.delete(item);
    }
    for (const item of refused) {
      this.items.delete(item);
      this.refused.set(item, nr);
    }
  }

  /* Who says anew how long says it of all that still stands. */
  last(until: number, at: number): void {
    for (const [item, agreed] of this.items)
      if (agreed.until > at) this.items.set(item, { ...agreed, until });
  }

  forget(): void {
    this.items.clear();
    this.refused.clear();
  }

  mayUse(purpose: string, now: number): boolean {
    const { basis } = schema.purposes.find(({ id }) => id === purpose) ?? {};
    const from = schema.notices.find(each => each.purpose === purpose)?.countsFrom ?? 1;
    const agreed = this.items.get(`use ${purpose}`);
    if (!agreed || agreed.until <= now) return false;
    return basis !== 'consent' || (agreed.versions.get(purpose) ?? 0) >= from;
  }

  mayLeave(name: string, now: number): boolean {
    const attribute = schema.attributes.find(each => each.name === name);
    if (!attribute) return false;
    const { basis } = schema.purposes.find(({ id }) => id === attribute.purpose) ?? {};
    const from = schema.notices.find(({ purpose }) => purpose === attribute.purpose)?.countsFrom ?? 1;
    const refusedAt = this.refused.get(`claim ${name}`) ?? 0;
    return [`claim ${name}`, `scope ${attribute.scope}`].some(item => {
      const agreed = this.items.get(item);
      if (!agreed || agreed.until <= now || agreed.nr < refusedAt) return false;
      return basis !== 'consent' || (agreed.versions.get(attribute.purpose) ?? 0) >= from;
    });
  }
}

/** What an app declares, and whether that was looked at. */
interface Declared {
  readonly clientId: string;
  readonly purposes: readonly string[];
  readonly verified: boolean;
}

interface Run {
  readonly accountId: string;
  readonly apps: Record<string, Declared>;
  readonly models: Readonly<Record<string, Model>>;
  /** Grants that apps got at some time, and hold for ever. */
  readonly grants: { readonly app: string; readonly grant: Record<string, unknown> }[];
  at: number;
}

const appOf = (run: Run, clientId: string): Declared =>
  run.apps[clientId] ?? { clientId, purposes: PURPOSES, verified: true };

const modelOf = (run: Run, client: string) => {
  const model = run.models[client];
  if (!model) throw new Error(`no model of ${client}`);
  return model;
};

const atTime = (run: Run, act: (work: Work) => Promise<unknown>) =>
  openWork(database.db, { kind: 'person', id: run.accountId }, work =>
    act({ ...work, at: new Date(run.at) }),
  );

async function snapshotOf(accountId: string, client: string): Promise<ConsentSnapshot | undefined> {
  const { rows } = await database.db.raw(
    'SELECT to_json(c) AS consent FROM consent_snapshots c WHERE c.account_id = ? AND c.client_id = ?',
    [accountId, client],
  );
  return rows[0]?.consent;
}

async function play(run: Run, step: Act): Promise<void> {
  run.at += HOUR / 2;
  switch (step.act) {
    case 'answer':
      return answer(run, step);
    case 'change':
      return change(run, step);
    case 'refuse':
      await atTime(run, work =>
        refuseConsent(work, {
          accountId: run.accountId,
          clientId: step.app,
          scopes: [],
          claims: [],
          refusedScopes: ['email'],
          refusedClaims: [],
          language: 'en',
        }),
      );
      return;
    case 'withdraw':
      await atTime(run, work => withdrawConsent(work, run.accountId, step.app));
      modelOf(run, step.app).forget();
      return;
    case 'expire':
      if (await atTime(run, work => recordExpiry(work, { accountId: run.accountId, clientId: step.app })))
        modelOf(run, step.app).forget();
      return;
    case 'app':
      /* It declares something else, is reviewed or no more, and asks for a token anew. */
      run.apps[step.app] = { clientId: step.app, purposes: step.purposes, verified: step.verified };
      await remember(run, step.app);
      return;
    case 'notice':
      return reword(step.purpose, step.material);
  }
}

async function answer(
  run: Run,
  { app: clientId, scopes, claims, tick, uses, tickUses, lasts }: Extract<Act, { act: 'answer' }>,
) {
  const { accountId } = run;
  const snapshot = await snapshotOf(accountId, clientId);
  const standing = await findConsent(database.db, accountId, clientId);
  const first = { scopes, required: [], optional: claims, resources: {}, uses };
  const outdated = snapshot?.outdated ?? [];
  const wanted = askedAgain(first, outdated, schema, standing);
  const { lasts: _, ...terms } = termsOf(wanted, {
    app: { clientId, name: clientId, consentLasts: undefined },
    schema,
    issuer: ISSUER,
    house: 'Keyhold',
  });
  const allowed = wanted.optional.filter(claim => tick.includes(claim));
  const refused = wanted.optional.filter(claim => !tick.includes(claim));
  const allowedUses = (wanted.uses ?? []).filter(use => tickUses.includes(use));
  const refusedUses = (wanted.uses ?? []).filter(use => !tickUses.includes(use));
  const validUntil = lasts === undefined ? undefined : new Date(run.at + lasts);
  await atTime(run, work =>
    giveConsent(work, {
      accountId,
      clientId,
      ...terms,
      scopes: wanted.scopes,
      claims: allowed,
      refusedScopes: [],
      refusedClaims: refused,
      uses: allowedUses,
      refusedUses,
      renews: outdated,
      validUntil,
      wording: JSON.stringify(wanted),
      language: 'en',
    }),
  );
  modelOf(run, clientId).answer(
    [
      ...wanted.scopes.map(scope => `scope ${scope}`),
      ...allowed.map(claim => `claim ${claim}`),
      ...allowedUses.map(use => `use ${use}`),
    ],
    [...refused.map(claim => `claim ${claim}`), ...refusedUses.map(use => `use ${use}`)],
    new Map(Object.entries(terms.notices)),
    validUntil?.getTime() ?? Number.POSITIVE_INFINITY,
  );
  await remember(run, clientId);
}

/* As the page does it: of what was asked for before, and refused until now, more can be allowed. */
async function change(
  run: Run,
  { app: clientId, allow, refuse, lasts, ...step }: Extract<Act, { act: 'change' }>,
) {
  const { accountId } = run;
  const { refuseUses } = step;
  const standing = await findConsent(database.db, accountId, clientId, new Date(run.at));
  if (!standing) return;
  const allowed = allow.filter(claim => standing.refusedClaims.includes(claim) && !refuse.includes(claim));
  const allowUses = step.allowUses.filter(
    use => standing.refusedUses.includes(use) && !refuseUses.includes(use),
  );
  const until = typeof lasts === 'number' ? new Date(run.at + lasts) : lasts;
  const said = {
    seen: standing.id,
    allow: allowed,
    refuse,
    allowUses,
    refuseUses,
    language: 'en',
    method: 'account',
  };
  const done = await atTime(run, work =>
    changeConsent(work, { accountId, clientId, ...said, ...(until !== undefined && { until }) }),
  );
  expect(done).toBe(true);
  const model = modelOf(run, clientId);
  const end = (until === undefined ? standing.validUntil : until)?.getTime() ?? Number.POSITIVE_INFINITY;
  const items = (names: string[], used: string[]) => [
    ...names.map(claim => `claim ${claim}`),
    ...used.map(use => `use ${use}`),
  ];
  model.answer(
    items(allowed, allowUses),
    items(refuse, refuseUses),
    new Map(Object.entries(standing.notices)),
    end,
  );
  if (until !== undefined) model.last(end, run.at);
  await remember(run, clientId);
}

async function remember(run: Run, client: string): Promise<void> {
  const consent = await snapshotOf(run.accountId, client);
  if (!consent) return;
  const openid = { scope: ['openid', ...consent.scopes].join(' '), claims: [...consent.claims] };
  run.grants.push({
    app: client,
    grant: { openid, rejected: { openid: { claims: [...consent.refused_claims] } } },
  });
}

let words = 0;

async function reword(id: string, material: boolean): Promise<void> {
  const standing = schema.notices.find(({ purpose }) => purpose === id);
  const small = { version: (standing?.version ?? 1) + 1, counts_from: standing?.countsFrom ?? 1 };
  const purposes = schema.purposes.map(({ version: _v, counts_from: _c, ...purpose }) =>
    purpose.id === id ? { ...purpose, why: { en: `Words ${++words}.` }, ...(!material && small) } : purpose,
  );
  await openWork(database.db, { kind: 'operator' }, work =>
    applySchema(work, { purposes, attributes: schema.attributes }, { source: 'operator', version: 1 }),
  );
  schema = await openSchema(database.db);
}

/** What the engine would tell of a grant: it masks by scopes and claims, takes out what was rejected; then what is withheld. */
function told(grant: Record<string, unknown>, consent: ConsentSnapshot | undefined): readonly string[] {
  const bounded = boundedBy(grant, consent);
  if (!bounded) return [];
  const { openid, rejected } = bounded.grant as {
    openid: { scope: string; claims: string[] };
    rejected?: { openid?: { claims?: string[] } };
  };
  const { engine } = openClaims(schema, ISSUER);
  /* What the sign-in itself tells, every app gets that somebody signs in to. */
  const scopes = openid.scope.split(' ').filter(scope => scope !== 'openid');
  const named = [...scopes.flatMap(scope => engine[scope] ?? []), ...openid.claims];
  const not = [...(rejected?.openid?.claims ?? []), ...(consent?.withheld ?? [])];
  return named.filter(name => !not.includes(name));
}

async function hold(run: Run): Promise<void> {
  const now = Date.now();
  for (const client of APPS) {
    const consent = await snapshotOf(run.accountId, client);
    const model = modelOf(run, client);
    const out = run.grants.filter(held => held.app === client).flatMap(({ grant }) => told(grant, consent));
    const leaks = [...new Set(out)].filter(
      name => schema.attributes.some(each => each.name === name) && !model.mayLeave(name, now),
    );
    expect({ client, leaks }).toEqual({ client, leaks: [] });
    const app = appOf(run, client);
    const used = await leftFor(consent, app, run.accountId);
    const mayUse = (use: string) => app.verified && app.purposes.includes(use) && model.mayUse(use, now);
    expect({ client, used: used.filter(use => !mayUse(use)) }).toEqual({ client, used: [] });
    expect({ client, said: saidWrongly(app, consent, model, now) }).toEqual({ client, said: [] });
    const events = await listConsentEvents(database.db, run.accountId, { clientId: client });
    expect(foldConsent(events)).toEqual(await present(run.accountId, client));
  }
}

/** What a token that once was for all uses says about them now. */
async function leftFor(consent: ConsentSnapshot | undefined, app: Declared, accountId: string) {
  const scope = { consent: async () => consent, account: async () => undefined } as unknown as RequestScope;
  const details = [{ type: 'data_use', purposes: USES }];
  const left = await withinScope(scope, () =>
    openDataUse(schema).allowed(details, { accountId }, { ...app }),
  );
  return purposesIn(left);
}

/** To what the app is told yes, though it may not: for a purpose, and for each single claim of one. */
function saidWrongly(app: Declared, consent: ConsentSnapshot | undefined, model: Model, now: number) {
  const claims = openClaims(schema, ISSUER);
  const of = (id: string) =>
    schema.attributes.filter(({ purpose }) => purpose === id).map(({ name }) => name);
  const account = { state: 'active', profile: null, sale_choice: null, restriction: null };
  const standing = {
    account,
    consent: consent && { ...consent, valid_until: null },
    ended: undefined,
    purposes: Object.fromEntries(
      schema.purposes.map(({ id, basis }) => [id, { basis, version: 1, terms: [] }]),
    ),
  };
  const saysYes = (purpose: string, named: readonly string[]) =>
    decide({ ...app }, standing, { purpose, action: 'use', claims: named }, claims).allowed;
  return PURPOSES.flatMap(purpose => {
    const declared = app.purposes.includes(purpose);
    const may = model.mayUse(purpose, now) || of(purpose).some(name => model.mayLeave(name, now));
    const wrong = of(purpose).filter(
      name => saysYes(purpose, [name]) && !(declared && model.mayLeave(name, now)),
    );
    return [...wrong, ...(saysYes(purpose, []) && !(declared && may) ? [purpose] : [])];
  });
}

async function present(accountId: string, client: string): Promise<ConsentState | undefined> {
  return findConsent(database.db, accountId, client, new Date(0));
}

test('no sequence of answers, refusals, withdrawals, ends, changed words and apps lets a claim or a use out that is not allowed at that instant; and the ledger folded from its start is what stands', async () => {
  let answered = 0;
  await fc.assert(
    fc.asyncProperty(acts, async steps => {
      const accountId = newAccountId();
      await openWork(database.db, { kind: 'person' }, work =>
        openAccount(work, keyring, { id: accountId, email: `${accountId}@example.test`, language: 'en' }),
      );
      const models = Object.fromEntries(APPS.map(each => [each, new Model()]));
      const run: Run = { accountId, apps: {}, models, grants: [], at: Date.now() - 10 * HOUR };
      for (const step of steps) {
        await play(run, step);
        await hold(run);
      }
      answered += run.grants.length;
      const events = await listConsentEvents(database.db, accountId);
      expect(events.map(({ nr }) => nr)).toEqual(events.map((_, at) => at + 1));
    }),
    { numRuns: 40 },
  );
  expect(answered).toBeGreaterThan(40);
}, 240_000);
