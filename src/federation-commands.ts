import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Config, Environment } from './config.js';
import { accountByEmail, findAccount } from './domain/accounts/accounts.js';
import {
  callbackUrlOf,
  enactProvider,
  findProvider,
  type IdentityProvider,
  listOwnKeys,
  listProviders,
  makeOwnKeys,
  mustBeUnused,
  offerTrial,
  ownAddresses,
  type PlannedProvider,
  PRESETS,
  PROVIDER_ID,
  planProvider,
  readTokens,
  removeProvider,
  rotateOwnKeys,
  setProviderState,
  type TrialOutcome,
  takeOutcome,
} from './domain/federation/federation.js';
import { keptAttributes } from './domain/profiles/profiles.js';
import { readProviders, secretsOf } from './federation-file.js';
import { type Keyring, openKeyring } from './platform/crypto/keyring.js';
import { Refusal } from './platform/errors.js';
import { answering, type Shell, Usage } from './platform/shell.js';
import { openWork, type Work } from './platform/storage/work.js';
import { standingIn } from './profile-commands.js';

/** What `keyhold federation …` works with. */
export interface FederationCommand extends Shell {
  readonly config: Pick<Config, 'secret' | 'issuer'>;
  /** Where the secrets that a file names by a variable are. */
  readonly env: Environment;
}

export const FEDERATION_USAGE = `keyhold federation list | show ID                            where people may bring an identity from
keyhold federation plan FILE                                 what applying would change
keyhold federation apply FILE [--same-people]                add and change the identity providers that a file names
keyhold federation enable ID | disable ID | remove ID        let it be used or not, from this moment on; or take it away
keyhold federation test ID                                   try a sign-in there, and see what came; it ties nobody to anything
keyhold federation tokens ID ACCOUNT                         what it lets us do in somebody's name, where keep_tokens has it kept
keyhold federation callback ID                               the address to enter at the provider
keyhold federation metadata ID                               the address of what a company that speaks SAML reads about us
keyhold federation keys ID | rotate-keys ID                  our keys towards it; the next ones, which sign in a week
keyhold federation presets                                   the providers that are known by name`;

type Verb = (subject: string, command: FederationCommand, samePeople: boolean) => Promise<unknown>;

const ALONE: Readonly<Record<string, (command: FederationCommand) => Promise<unknown>>> = {
  list: async ({ db }) => (await listProviders(db)).map(present),
  presets: async () =>
    [...PRESETS].map(([preset, { name, kind, documented }]) => ({ preset, name, kind, documented })),
};

const WITH_FILE: Readonly<Record<string, Verb>> = {
  plan: async (file, command, samePeople) => (await planned(file, command, samePeople)).map(shown),
  apply,
};

const WITH_ID: Readonly<Record<string, Verb>> = {
  show: async (id, { db }) => present(await known({ db }, id)),
  callback: async (id, { config }) => ({ id, callback: callbackUrlOf(config.issuer, id).href }),
  metadata: async (id, command) => {
    mustSpeakSaml(await known(command, id));
    return { id, metadata: ownAddresses(command.config.issuer, id).entityId };
  },
  keys: async (id, command) => {
    mustSpeakSaml(await known(command, id));
    return listOwnKeys(command.db, id, new Date());
  },
  'rotate-keys': async (id, command) => {
    mustSpeakSaml(await known(command, id));
    const keyring = openKeyring(command.config.secret);
    const naming = { keyring, providerId: id, name: command.config.issuer.hostname };
    const made = await makeOwnKeys(naming, new Date());
    return { id, ...(await asOperator(command, work => rotateOwnKeys(work, id, made))) };
  },
  enable: (id, command) => switchTo(id, command, 'enabled'),
  disable: (id, command) => switchTo(id, command, 'disabled'),
  remove: async (id, command) => {
    await known(command, id);
    await asOperator(command, async work => {
      await mustBeUnused(work.tx, id);
      await removeProvider(work, id);
    });
    return { id, state: 'removed' };
  },
  test: tryOut,
};

/** Runs one verb and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runFederation(words: readonly string[], command: FederationCommand): Promise<number> {
  return answering(command, FEDERATION_USAGE, async () => {
    const { values, positionals } = parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });
    const samePeople = values['same-people'] === true;
    const [name = '', subject, whom, ...rest] = positionals;
    if (rest.length > 0 || (samePeople && !Object.hasOwn(WITH_FILE, name))) throw new Usage();
    if ((whom === undefined) === (name === 'tokens')) throw new Usage();
    if (subject === undefined) {
      const verb = Object.hasOwn(ALONE, name) ? ALONE[name] : undefined;
      if (verb) return verb(command);
      throw new Usage();
    }
    if (Object.hasOwn(WITH_FILE, name)) return WITH_FILE[name]?.(subject, command, samePeople);
    if (!Object.hasOwn(WITH_ID, name) && whom === undefined) throw new Usage();
    if (!PROVIDER_ID.test(subject)) throw new Usage('An identity provider is named by its id.');
    if (whom !== undefined) return tokensOf(subject, whom, command);
    return WITH_ID[name]?.(subject, command, false);
  });
}

/** Says whether a file could be applied, as far as that can be said without a database: 0 if so, 1 if not, 2 not understood. */
export function checkFile(
  words: readonly string[],
  { env, fail }: Pick<FederationCommand, 'env' | 'fail'>,
): Promise<number> {
  return answering({ print: () => undefined, fail }, FEDERATION_USAGE, async () => {
    const [file = '', ...rest] = words;
    if (file === '' || rest.length > 0) throw new Usage('This takes one file.');
    const providers = await readProviders(file, secretsOf(env));
    fail(`${file} can be applied: ${providers.map(({ id }) => id).join(', ')}.`);
  });
}

const OPTIONS = { 'same-people': { type: 'boolean' } } as const;

const asOperator = <T>({ db }: Pick<FederationCommand, 'db'>, act: (work: Work) => Promise<T>) =>
  openWork(db, { kind: 'operator' }, act);

async function known({ db }: Pick<FederationCommand, 'db'>, id: string): Promise<IdentityProvider> {
  const provider = await findProvider(db, id);
  if (provider) return provider;
  throw new Refusal('missing', 'no_such_provider', `There is no identity provider ${id}.`);
}

function mustSpeakSaml({ id, kind }: IdentityProvider): void {
  if (kind !== 'saml')
    throw new Refusal('invalid', 'no_saml', `The identity provider ${id} does not speak SAML.`);
}

/** What operators see of a provider: nothing that is secret. */
function present({ updatedAt, origins: _, ...provider }: IdentityProvider): object {
  return { ...provider, updated_at: updatedAt };
}

async function planned(
  file: string,
  command: FederationCommand,
  samePeople: boolean,
): Promise<readonly PlannedProvider[]> {
  const keyring = openKeyring(command.config.secret);
  const plans: PlannedProvider[] = [];
  const kept = new Set(keptAttributes(await standingIn(command)).map(({ name }) => name));
  for (const declared of await readProviders(file, secretsOf(command.env))) {
    plans.push(await planProvider(command.db, keyring, declared, samePeople));
    const { id, mapping } = declared;
    for (const attribute of Object.keys(mapping.attributes).filter(name => !kept.has(name)))
      command.fail(`${id}: there is no attribute ${attribute} to keep; what comes for it is left out.`);
  }
  return plans;
}

const shown = ({ declared, what, changes }: PlannedProvider) => ({ id: declared.id, what, changes });

async function apply(file: string, command: FederationCommand, samePeople: boolean): Promise<unknown> {
  const keyring = openKeyring(command.config.secret);
  const plans = await planned(file, command, samePeople);
  await asOperator(command, async work => {
    for (const plan of plans) await enactProvider(work, keyring, plan);
  });
  for (const { declared, what } of plans) {
    if (what !== 'added') continue;
    command.fail(
      `Enter this address at ${declared.name}: ${callbackUrlOf(command.config.issuer, declared.id).href}`,
    );
  }
  return plans.map(shown);
}

async function switchTo(
  id: string,
  command: FederationCommand,
  state: 'enabled' | 'disabled',
): Promise<unknown> {
  await asOperator(command, work => setProviderState(work, id, state));
  return present(await known(command, id));
}

async function tokensOf(id: string, whom: string, command: FederationCommand): Promise<unknown> {
  const { id: accountId } = await (UUID.test(whom)
    ? findAccount(command.db, whom).then(found => found ?? nobody(whom))
    : accountByEmail(command.db, whom));
  const keyring = openKeyring(command.config.secret);
  return asOperator(command, work => readTokens(work, keyring, { accountId, providerId: id }));
}

function nobody(whom: string): never {
  throw new Refusal('missing', 'account_unknown', `Nobody has the id ${whom}.`);
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const EVERY = 100;

/* The server does it, which knows its way out; the database carries what came. */
async function tryOut(id: string, command: FederationCommand): Promise<TrialOutcome> {
  await known(command, id);
  const keyring = openKeyring(command.config.secret);
  const trial = await asOperator(command, work => offerTrial(work, id));
  command.fail(`Open this address and sign in; it is good once, for ten minutes:`);
  command.fail(new URL(`/federation-test/${trial.ticket}`, command.config.issuer).href);
  return awaited(command, keyring, trial);
}

async function awaited(
  command: FederationCommand,
  keyring: Keyring,
  trial: { readonly id: string; readonly until: Date },
): Promise<TrialOutcome> {
  while (trial.until > new Date()) {
    const outcome = await asOperator(command, work => takeOutcome(work, keyring, trial.id));
    if (outcome) return outcome;
    await pause(EVERY);
  }
  throw new Refusal('limited', 'nobody_came', 'Nobody came back in ten minutes.');
}
