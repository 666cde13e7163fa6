import { AndFilter, EqualityFilter, ExtensibleFilter, type Filter, FilterParser } from 'ldapts';
import type { Directory } from './ldap-connection.js';
import type { LdapEntry } from './ldap-entry.js';
import type { LdapSettings } from './ldap-settings.js';

/* LDAP_MATCHING_RULE_IN_CHAIN of Active Directory ([MS-ADTS] §3.1.1.3.4.4.3). */
const IN_CHAIN = '1.2.840.113556.1.4.1941';

/** So many groups of somebody are looked at. */
export const MOST_GROUPS = 200;

/** The distinguished names of the groups that somebody is in. */
export async function groupsOf(
  directory: Directory,
  { groups }: Pick<LdapSettings, 'groups'>,
  entry: LdapEntry,
): Promise<readonly string[]> {
  if (!groups) return [];
  if (groups.by === 'entry') return entry.texts(groups.attribute).slice(0, MOST_GROUPS);
  const isMember = memberFilter(groups, entry.dn);
  const found = await directory.find({
    base: groups.base,
    scope: 'sub',
    filter: new AndFilter({ filters: [FilterParser.parseString(groups.filter), isMember] }),
    attributes: ['cn'],
    most: MOST_GROUPS,
  });
  return found.map(({ dn }) => dn).filter(dn => dn !== '');
}

function memberFilter(
  { member, nested }: { readonly member: string; readonly nested: boolean },
  dn: string,
): Filter {
  if (!nested) return new EqualityFilter({ attribute: member, value: dn });
  return new ExtensibleFilter({ matchType: member, rule: IN_CHAIN, value: dn });
}

/** Whether one of these groups is one of those, whatever the case and the spaces of how they are written. */
export function isInOneOf(groups: readonly string[], wanted: readonly string[]): boolean {
  const known = new Set(groups.map(plainName));
  return wanted.some(name => known.has(plainName(name)));
}

function plainName(dn: string): string {
  return dn
    .trim()
    .toLowerCase()
    .replace(/\s*([,=+])\s*/g, '$1');
}
