import { readFile } from 'node:fs/promises';
import { AndFilter, EqualityFilter, FilterParser, OrFilter } from 'ldapts';
import { randomToken } from '../../../platform/crypto/tokens.js';
import { Refusal } from '../../../platform/errors.js';
import { type PasswordProtocol, type Upstream, type UpstreamIdentity, UpstreamTrouble } from '../upstream.js';
import { type Directory, openDirectory, type Verdict } from './ldap-connection.js';
import { guidOf, type LdapEntry } from './ldap-entry.js';
import { groupsOf, isInOneOf } from './ldap-groups.js';
import { type LdapSettings, ldapSettingsSchema } from './ldap-settings.js';
import { STATE_ATTRIBUTES, stateOfEntry } from './ldap-states.js';

/** Directories that are asked by LDAP (RFC 4511), Active Directory among them: whoever signs in types here their password of there. */
export const ldapProtocol: PasswordProtocol = {
  kind: 'ldap',
  settings: ldapSettingsSchema,
  secrets: ['bind_password'],
  namespace: settings => {
    const { base, subject } = ldapSettingsSchema.parse(settings);
    return `${base}, ${subject}`;
  },
  checkSecrets: async (_settings, secrets) => {
    if (secrets['bind_password']) return;
    throw new Refusal(
      'invalid',
      'bind_password',
      'A directory needs the secret bind_password: who looks people up proves it too.',
    );
  },
  origins: () => [],
  probe: async upstream => (await opened(upstream)).directory.close(),
  prove: async (upstream, typed) => {
    /* RFC 4513 §5.1.2: a bind with a name and without a password succeeds, and proves nothing. */
    if (typed.password === '') throw new UpstreamTrouble('refused', 'password_empty');
    return upstream.guard(() => prove(upstream, typed));
  },
};

interface Typed {
  /** Normalised. */
  readonly address: string;
  readonly password: string;
}

async function prove(upstream: Upstream, { address, password }: Typed): Promise<UpstreamIdentity> {
  const { settings, ourselves, directory } = await opened(upstream);
  try {
    const found = await findPeople(directory, upstream, settings, address);
    const entry = found.length === 1 ? found[0] : undefined;
    /* For nobody as well: what takes time, or is answered, says nothing about who is there. */
    const verdict = await directory.tryPassword(
      entry?.dn ?? `cn=${randomToken(9)},${settings.base}`,
      password,
    );
    if (!entry || verdict !== 'right') throw new UpstreamTrouble('refused', reasonOf(found.length, verdict));
    const state = stateOfEntry(entry);
    if (state) throw new UpstreamTrouble('refused', state);
    const groups = await groupsIn(directory, ourselves, settings, entry);
    return identityOf(upstream, settings, entry, groups);
  } finally {
    directory.close();
  }
}

async function opened(upstream: Upstream) {
  const settings = ldapSettingsSchema.parse(upstream.provider.settings);
  const ourselves = { dn: settings.bind_dn, password: bindPassword(upstream) };
  const directory = await openDirectory(settings, ourselves, await certificates(settings));
  return { settings, ourselves, directory };
}

async function certificates({ ca_file }: LdapSettings): Promise<string | undefined> {
  if (ca_file === undefined) return undefined;
  return readFile(ca_file, 'utf8').catch(cause => {
    throw new UpstreamTrouble('unreachable', 'ca_file', cause);
  });
}

function bindPassword({ secrets }: Upstream): string {
  const password = secrets['bind_password'];
  if (password) return password;
  throw new UpstreamTrouble('unreachable', 'bind_password');
}

/* What was typed is a value of a comparison and never part of a filter's text, so there is nothing to escape (RFC 4515 §3). */
async function findPeople(
  directory: Directory,
  upstream: Upstream,
  settings: LdapSettings,
  address: string,
): Promise<readonly LdapEntry[]> {
  const value = settings.login_is === 'name' ? address.slice(0, address.lastIndexOf('@')) : address;
  const isThem = new OrFilter({
    filters: settings.login.map(attribute => new EqualityFilter({ attribute, value })),
  });
  return directory.find({
    base: settings.base,
    scope: settings.scope,
    filter: new AndFilter({ filters: [FilterParser.parseString(settings.filter), isThem] }),
    attributes: attributesOf(upstream, settings),
    most: 2,
  });
}

function attributesOf({ provider }: Upstream, { subject, email, groups }: LdapSettings): readonly string[] {
  const mapped = Object.values(provider.mapping.attributes).map(({ from }) => from);
  const member = groups?.by === 'entry' ? [groups.attribute] : [];
  return [...new Set([subject, email, ...STATE_ATTRIBUTES, ...member, ...mapped.filter(isAttribute)])];
}

const isAttribute = (name: string) => /^[A-Za-z0-9.;-]{1,80}$/.test(name);

/* For the record; nobody who types is told more than what a right password opens. */
function reasonOf(found: number, verdict: Verdict): string {
  if (found !== 1) return found === 0 ? 'no_entry' : 'several_entries';
  return verdict === 'wrong' || verdict === 'right' ? 'password_wrong' : verdict;
}

async function groupsIn(
  directory: Directory,
  ourselves: { readonly dn: string; readonly password: string },
  settings: LdapSettings,
  entry: LdapEntry,
): Promise<readonly string[]> {
  /* By now the connection is bound as the person, who need not be let see groups. */
  if (settings.groups?.by === 'search') await directory.tryPassword(ourselves.dn, ourselves.password);
  const groups = await groupsOf(directory, settings, entry);
  if (settings.only_groups && !isInOneOf(groups, settings.only_groups)) {
    throw new UpstreamTrouble('refused', 'not_in_group');
  }
  return groups;
}

function identityOf(
  { provider }: Upstream,
  { subject: subjectAttribute, email }: LdapSettings,
  entry: LdapEntry,
  groups: readonly string[],
): UpstreamIdentity {
  const subject = subjectOf(entry, subjectAttribute);
  if (subject === undefined) throw new UpstreamTrouble('untrue', 'subject');
  const address = entry.text(email);
  const mapped = Object.values(provider.mapping.attributes).map(({ from }) => from);
  const claims = mapped.flatMap(name => {
    const value = entry.text(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    subject,
    /* A directory may hold any address; which it speaks for is known by the domains that are its organisation's. */
    ...(address !== undefined && { email: { address, verified: false } }),
    claims: { ...Object.fromEntries(claims), ...(groups.length > 0 && { groups }) },
    amr: ['pwd'],
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function subjectOf(entry: LdapEntry, attribute: string): string | undefined {
  const bytes = attribute.toLowerCase() === 'objectguid' ? entry.bytes(attribute) : undefined;
  if (bytes) return guidOf(bytes);
  const [value, second] = entry.texts(attribute);
  if (value === undefined || second !== undefined) return undefined;
  return UUID.test(value) ? value.toLowerCase() : value;
}
