import type { LdapEntry } from './ldap-entry.js';

/** Why a directory lets somebody in nowhere, though what they typed may be right; only what says nothing to strangers. */
export type DirectoryState = 'disabled' | 'expired' | 'password_expired' | 'not_now';

/*
 * What Active Directory adds to result 49 (invalidCredentials): `data 532` and the like. It tells these to whoever had the right
 * password only. 525 (nobody), 52e (wrong password) and 775 (locked, said of any password) are told to nobody.
 */
const BY_DATA: Readonly<Record<string, DirectoryState>> = {
  '530': 'not_now',
  '531': 'not_now',
  '532': 'password_expired',
  '533': 'disabled',
  '701': 'expired',
  '773': 'password_expired',
};

/** What Active Directory says about a bind that it turned down, if its password was right. */
export function stateInMessage(message: string): DirectoryState | undefined {
  const data = /\bdata ([0-9a-f]{1,8})\b/i.exec(message)?.[1]?.toLowerCase();
  return data !== undefined && Object.hasOwn(BY_DATA, data) ? BY_DATA[data] : undefined;
}

/* [MS-ADTS] §2.2.16 and [MS-SAMR] §2.2.1.12: ACCOUNTDISABLE, PASSWORD_EXPIRED. */
const DISABLED = 0x2;
const PASSWORD_EXPIRED = 0x800000;

/** The attributes that say so. */
export const STATE_ATTRIBUTES = [
  'userAccountControl',
  'msDS-User-Account-Control-Computed',
  'nsAccountLock',
  'pwdReset',
] as const;

/** What an entry says about itself: asked after its password was right, where a directory lets it bind all the same. */
export function stateOfEntry(entry: LdapEntry): DirectoryState | undefined {
  const flags =
    Number(entry.text('userAccountControl') ?? 0) |
    Number(entry.text('msDS-User-Account-Control-Computed') ?? 0);
  if ((flags & DISABLED) !== 0 || isTrue(entry.text('nsAccountLock'))) return 'disabled';
  if ((flags & PASSWORD_EXPIRED) !== 0 || isTrue(entry.text('pwdReset'))) return 'password_expired';
  return undefined;
}

const isTrue = (value: string | undefined) => value?.toUpperCase() === 'TRUE';
