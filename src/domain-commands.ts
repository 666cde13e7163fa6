import { parseArgs } from 'node:util';
import { ROLE_NAME } from './domain/accounts/accounts.js';
import {
  addDomain,
  type ClaimedDomain,
  domainNamed,
  getDomain,
  listDomains,
  lookFor,
  noteSight,
  providerOf,
  removeDomain,
} from './domain/federation/federation.js';
import { Refusal } from './platform/errors.js';
import type { Names } from './platform/names.js';
import { answering, type Shell, Usage } from './platform/shell.js';
import { openWork } from './platform/storage/work.js';

/** What `keyhold federation domains …` works with. */
export interface DomainsCommand extends Shell {
  readonly config: { readonly issuer: URL };
  readonly names: Names;
}

export const DOMAINS_USAGE = `keyhold federation domains add DOMAIN PROVIDER [--required]
        [--except-role ROLE[,ROLE]]                          people with addresses of a domain sign in by a provider; says the
                                                             record that has to stand in its DNS
keyhold federation domains verify DOMAIN [PROVIDER]          look for the record, and lead people there from then on
keyhold federation domains list [PROVIDER] [--after DOMAIN]  the domains, and whether their records are there
keyhold federation domains remove DOMAIN [PROVIDER]          people with such addresses sign in as all others do`;

const OPTIONS = {
  required: { type: 'boolean' },
  'except-role': { type: 'string', multiple: true },
  after: { type: 'string' },
} as const;
const PAGE = 100;

/** Runs one verb and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runDomains(words: readonly string[], command: DomainsCommand): Promise<number> {
  return answering(command, DOMAINS_USAGE, async () => {
    const { values, positionals } = parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });
    const [verb, first, second, ...rest] = positionals;
    const { required, 'except-role': except, after } = values;
    const isAdding = required !== undefined || except !== undefined;
    if (rest.length > 0 || (isAdding && verb !== 'add') || (after !== undefined && verb !== 'list'))
      throw new Usage();
    if (verb === 'list' && second === undefined) return list(command, first, after);
    if (first === undefined) throw new Usage();
    if (verb === 'add' && second !== undefined) {
      return add(command, first, second, { required: required === true, exceptRoles: rolesIn(except) });
    }
    if (verb === 'verify') return verify(command, await named(command, first, second));
    if (verb !== 'remove') throw new Usage();
    const claim = await named(command, first, second);
    await openWork(command.db, { kind: 'operator' }, work => removeDomain(work, claim));
    return undefined;
  });
}

function rolesIn(given: readonly string[] = []): readonly string[] {
  const roles = [...new Set(given.flatMap(names => names.split(',')))];
  const wrong = roles.find(role => !ROLE_NAME.test(role));
  if (wrong !== undefined) throw new Usage(`${wrong} is no name of a role.`);
  return roles;
}

async function named({ db }: DomainsCommand, typed: string, providerId: string | undefined) {
  const domain = domainNamed(typed);
  return { domain, providerId: providerId ?? (await providerOf(db, domain)) };
}

async function add(
  { db, config }: DomainsCommand,
  typed: string,
  providerId: string,
  demands: Pick<ClaimedDomain, 'required' | 'exceptRoles'>,
): Promise<object> {
  const claim = { domain: domainNamed(typed), providerId, ...demands };
  return present(await openWork(db, { kind: 'operator' }, work => addDomain(work, config.issuer, claim)));
}

async function verify(
  { db, config, names }: DomainsCommand,
  which: Pick<ClaimedDomain, 'domain' | 'providerId'>,
): Promise<object> {
  const claim = await getDomain(db, config.issuer, which);
  const sight = await lookFor(names, claim.record);
  const became = await openWork(db, { kind: 'operator' }, work => noteSight(work, claim, sight));
  if (became === 'verified') return present(await getDomain(db, config.issuer, which));
  const { name, value } = claim.record;
  const said =
    sight === 'no_answer'
      ? `The DNS does not answer about ${name}; try again later.`
      : `There is no TXT record ${name} with ${value} yet. A new record can take some hours to be seen.`;
  throw new Refusal('conflict', 'record_not_found', said);
}

async function list(
  { db, config }: DomainsCommand,
  providerId: string | undefined,
  after: string | undefined,
): Promise<object> {
  const [domain = '', provider = ''] = after?.split(' ') ?? [];
  const claims = await listDomains(db, config.issuer, {
    ...(providerId !== undefined && { providerId }),
    ...(after !== undefined && { after: { domain, providerId: provider } }),
    limit: PAGE,
  });
  const last = claims.length === PAGE ? claims.at(-1) : undefined;
  return { domains: claims.map(present), ...(last && { after: `${last.domain} ${last.providerId}` }) };
}

function present({ record, ...claim }: ClaimedDomain): object {
  const { domain, providerId, state, required, exceptRoles, addedAt, verifiedAt, seenAt, checkedAt } = claim;
  return {
    domain,
    provider: providerId,
    state,
    required,
    except_roles: exceptRoles,
    record,
    added_at: addedAt,
    verified_at: verifiedAt,
    seen_at: seenAt,
    checked_at: checkedAt,
  };
}
