import { readFileSync } from 'node:fs';
import { COMMANDS_USAGE, runCommands } from './app-commands.js';
import { AUDIT_USAGE, runAudit } from './audit-commands.js';
import { type Config, ConfigError, readConfig, type Settings } from './config.js';
import { CONSENTS_USAGE, runConsents } from './consent-commands.js';
import { prepareDatabase } from './database.js';
import { DELETIONS_USAGE, runDeletions } from './deletion-commands.js';
import { runDoctor } from './doctor.js';
import { CLIENTS_USAGE, runClients } from './domain/clients/cli.js';
import { STANDARD_SCOPES } from './domain/clients/clients.js';
import { runPasswords } from './domain/credentials/credentials.js';
import { declarableOf } from './domain/profiles/profiles.js';
import { RESOURCES_USAGE, runResourceServers } from './domain/resources/cli.js';
import { listResourceScopes } from './domain/resources/resources.js';
import { DOMAINS_USAGE, runDomains } from './domain-commands.js';
import { DORMANCY_USAGE, runDormancy } from './dormancy-commands.js';
import { checkFile, FEDERATION_USAGE, runFederation } from './federation-commands.js';
import { KEYS_USAGE, runKeys } from './key-commands.js';
import { MESSAGES_USAGE, type MessagesCommand, runMessages, runTopics } from './message-commands.js';
import { PEOPLE_USAGE, runPeople } from './people-commands.js';
import { openKeyring } from './platform/crypto/keyring.js';
import { openNames } from './platform/names.js';
import { type Db, openDatabase } from './platform/storage/db.js';
import { StorageTrouble } from './platform/storage/trouble.js';
import { openRenderer } from './platform/web/render.js';
import { openWords } from './platform/web/words.js';
import { PROFILE_USAGE, runProfile, standingIn } from './profile-commands.js';
import { PURPOSES_USAGE, runPurposes } from './purpose-commands.js';
import { RECEIPTS_USAGE, runReceipts } from './receipt-commands.js';
import { REPORT_USAGE, runReport } from './report-commands.js';
import { RIGHTS_USAGE, runRights } from './rights-commands.js';
import { ROLES_USAGE, runRoles } from './role-commands.js';
import { readAppMetadata } from './saml/app-metadata.js';
import { runSms, SMS_USAGE } from './sms-commands.js';

/** What a verb that needs the database works with. */
interface Command {
  readonly db: Db;
  readonly config: Config;
  readonly words: readonly string[];
  /** The migrations that ran before it. */
  readonly migrated: readonly string[];
}

type Verb = (command: Command) => Promise<number>;

const print = (text: string): void => void process.stdout.write(text);
const fail = (text: string): void => void process.stderr.write(`${text}\n`);

/** The verbs that work on the database, of the running server or of its data folder. */
const VERBS: Readonly<Record<string, Verb>> = {
  migrate: async ({ migrated }) => {
    for (const name of migrated) print(`${name}\n`);
    const done = migrated.length === 1 ? '1 step was' : `${migrated.length} steps were`;
    fail(
      migrated.length === 0
        ? 'The tables were up to date already.'
        : `${done} taken; the tables are up to date.`,
    );
    return 0;
  },
  clients: async ({ db, config, words }) => {
    const scopes = [...STANDARD_SCOPES, ...(await listResourceScopes(db))];
    const declarable = declarableOf(await standingIn({ db }));
    const readSaml = (text: string) => readAppMetadata(text);
    return runClients(words, { db, config: { ...config, scopes, declarable }, readSaml, print, fail });
  },
  'resource-servers': ({ db, words }) => runResourceServers(words, { db, print, fail }),
  topics: ({ words, ...command }) => runTopics(words, messaging(command)),
  messages: ({ words, ...command }) => runMessages(words, messaging(command)),
  audit: ({ db, config, words }) => runAudit(words, { db, config, print, fail }),
  federation: ({ db, config, words: [verb, ...words] }) =>
    verb === 'domains'
      ? runDomains(words, { db, config, names: openNames(), print, fail })
      : runFederation(verb === undefined ? [] : [verb, ...words], {
          db,
          config,
          env: process.env,
          print,
          fail,
        }),
  keys: ({ db, config, words }) => runKeys(words, { db, config, print, fail }),
  dormancy: ({ db, config, words }) => runDormancy(words, { db, config, print, fail }),
  receipts: ({ db, config, words }) => runReceipts(words, { db, config, print, fail }),
  deletions: ({ db, config, words }) => runDeletions(words, { db, config, print, fail }),
  sms: ({ db, config, words }) => runSms(words, { db, config, print, fail }),
  people: ({ words: [verb, ...words], db, config }) =>
    verb === 'role'
      ? runRoles(words, { db, config, print, fail })
      : runPeople(verb === undefined ? [] : [verb, ...words], { db, print, fail }),
  commands: ({ db, config, words }) => runCommands(words, { db, config, print, fail }),
  rights: ({ words, ...command }) => {
    const { db, sending: telling } = messaging(command);
    return runRights(words, { db, telling, print, fail });
  },
  consents: ({ words, db }) => runConsents(words, { db, print, fail }),
  profile: ({ words, ...command }) => {
    const { db, sending: telling } = messaging(command);
    return runProfile(words, { db, telling, print, fail });
  },
  purposes: ({ words, ...command }) => {
    const { db, sending: telling } = messaging(command);
    return runPurposes(words, { db, telling, print, fail });
  },
  report: ({ db, words }) => runReport(words, { db, print, fail }),
  passwords: ({ db, words }) =>
    runPasswords(words, { db, print: line => print(`${line}\n`), printError: fail }),
};

function messaging({ db, config }: Pick<Command, 'db' | 'config'>): MessagesCommand {
  const keyring = openKeyring(config.secret);
  const words = openWords();
  const renderer = openRenderer(words);
  return {
    db,
    sending: {
      issuer: config.issuer,
      keyring,
      renderer,
      rp: { name: 'Keyhold' },
      translator: words.translator,
    },
    print,
    fail,
  };
}

const USAGE = `keyhold start                                                run the server
keyhold check-config [PROVIDERS.json]                        read the settings, or a file of identity providers too, and say what is wrong
keyhold migrate                                              bring the tables up to date, and say what was done
keyhold doctor                                               look at everything that it needs to work; changes nothing
${CLIENTS_USAGE}
${RESOURCES_USAGE}
${MESSAGES_USAGE}
${FEDERATION_USAGE}
${DOMAINS_USAGE}
${KEYS_USAGE}
${AUDIT_USAGE}
${SMS_USAGE}
${DORMANCY_USAGE}
${DELETIONS_USAGE}
${PROFILE_USAGE}
${PURPOSES_USAGE}
${CONSENTS_USAGE}
${COMMANDS_USAGE}
${RIGHTS_USAGE}
${PEOPLE_USAGE}
${ROLES_USAGE}
${RECEIPTS_USAGE}
${REPORT_USAGE}
keyhold passwords load FILE                                  passwords nobody may choose, one a line`;

/** Runs one command and gives the exit code: 0 done, 1 refused or failed, 2 not understood. */
async function runCommand([name = '', ...words]: readonly string[]): Promise<number> {
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (!verb && !['check-config', 'doctor'].includes(name)) {
    const isAsked = ['', 'help', '--help', '-h'].includes(name);
    fail(isAsked ? USAGE : `There is no command ${name}.\n${USAGE}`);
    return isAsked ? 0 : 2;
  }
  const settings = readConfig(process.env, path => readFileSync(path, 'utf8'));
  for (const warning of settings.warnings) fail(warning);
  if (name === 'doctor') return runDoctor(settings, print);
  if (verb) return onDatabase(settings, (db, config, migrated) => verb({ db, config, words, migrated }));
  fail(`The settings can be used: ${settings.issuer.origin} on port ${settings.port}.`);
  return words.length > 0 ? checkFile(words, { env: process.env, fail }) : 0;
}

async function onDatabase(
  settings: Settings,
  act: (db: Db, config: Config, migrated: readonly string[]) => Promise<number>,
): Promise<number> {
  const prepared = await prepareDatabase(settings, fail);
  const db = openDatabase(prepared.config.databaseUrl);
  try {
    return await act(db, prepared.config, prepared.migrated);
  } finally {
    await db.destroy();
    await prepared.stop();
  }
}

try {
  process.exitCode = await runCommand(process.argv.slice(2));
} catch (error) {
  const isKnown = error instanceof ConfigError || error instanceof StorageTrouble;
  fail(isKnown ? error.message : `The command failed: ${error instanceof Error ? error.stack : error}`);
  process.exitCode = 1;
}
