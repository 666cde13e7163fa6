import type { AccountFrame } from '../../../src/journeys/manage/door.js';
import type { PageModels } from '../../../src/journeys/page-models.js';

type Names = keyof PageModels & (`move/${string}` | `account/move/${string}`);
type Samples = { readonly [Name in Names]: Readonly<Record<string, PageModels[Name]>> };

const at = new Date('2026-03-09T17:04:00Z');
const email = 'ada@example.test';
const longEmail = 'a.very.long.local.part.that.goes.on.and.on@a-subdomain.of-a-long-domain.example.test';
const asked = { at, device: 'Chrome · Android', country: 'DE' };
const code = {
  qr: { size: 37, path: 'M4 4h1v1h-1z' },
  url: 'https://id.example/move/Jx7aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  minutes: 9,
};
const passkey = {
  url: '/account/sign-in/passkeys/1',
  name: 'Blue phone',
  addedAt: at,
  addedFrom: 'Chrome · Android',
  usedAt: at,
  usedFrom: 'Chrome · Android',
  synced: false,
};
const synced = { ...passkey, name: 'Work', provider: 'iCloud Keychain', synced: true };
const authenticator = { url: '/account/sign-in/apps/1', name: 'Authenticator app', addedAt: at };
const signal = { rpId: 'id.example', userId: 'AbCd', known: 'one two', name: email };

/** Models for the pages of a move to a new phone. */
export function moveSamples(frame: AccountFrame): Samples {
  const now = { ...frame, problems: [], numbers: [], added: false };
  return {
    'account/move/start': {
      usual: { ...frame, synced: [synced], local: [passkey], apps: [authenticator], hasPassword: true },
      bare: { ...frame, synced: [], local: [], apps: [], hasPassword: false },
    },
    'account/move/now': {
      waiting: { ...now, state: 'waiting', code, refresh: 10 },
      gone: { ...now, state: 'waiting', refresh: 10 },
      claimed: { ...now, state: 'claimed', asked, numbers: [47, 12, 93] },
      confirmed: { ...now, state: 'confirmed', refresh: 10 },
      bound: { ...now, state: 'bound', added: true, refresh: 10 },
      tested: { ...now, state: 'tested', problems: [{ word: 'move_not_due' }] },
      finished: { ...now, state: 'finished' },
      refused: { ...now, state: 'refused' },
      cancelled: { ...now, state: 'cancelled' },
      expired: { ...now, state: 'expired', added: true },
      elsewhere: { ...now, state: 'elsewhere' },
      account: { ...now, state: 'account' },
      signed_out: { ...now, state: 'signed_out' },
    },
    'account/move/old': {
      usual: {
        ...frame,
        problems: [{ word: 'move_nothing_ticked', field: 'thing' }],
        isOld: true,
        things: [
          { value: 'passkey 1', kind: 'passkey', name: 'Blue phone', addedAt: at, usedAt: at },
          { value: 'app 1', kind: 'app', name: 'Authenticator app', addedAt: at },
          { value: 'session', kind: 'session' },
          { value: 'browser', kind: 'browser' },
        ],
      },
      stays: {
        ...frame,
        problems: [],
        isOld: false,
        things: [
          { value: 'passkey 1', kind: 'passkey', name: 'Key', addedAt: at, stays: 'last_way_in' },
          { value: 'app 1', kind: 'app', name: 'App', addedAt: at, stays: 'last_second_step' },
        ],
      },
      nothing: { ...frame, problems: [], isOld: false, things: [] },
    },
    'account/move/done': {
      usual: {
        ...frame,
        passkeys: [passkey, synced],
        apps: [authenticator],
        hasPassword: true,
        codesLeft: 2,
        signal,
      },
      bare: { ...frame, passkeys: [passkey], apps: [], hasPassword: false, signal },
    },
    'move/open': {
      usual: { secret: 'Jx7', whose: 'a…@example.test', asked },
      unknown: { secret: 'Jx7', whose: 'a…@example.test', asked: { at } },
    },
    'move/number': { usual: { whose: 'a…@example.test', number: 47, refresh: 10 } },
    'move/bind': {
      usual: { email, synced: ['iCloud Keychain', '1Password'], mayApp: true },
      bare: { email: longEmail, synced: [], mayApp: false },
    },
    'move/app': {
      usual: {
        email,
        problems: [{ word: 'setup_wrong', field: 'code' }],
        uri: 'otpauth://totp/Keyhold:ada%40example.test?issuer=Keyhold&secret=ABC',
        secret: 'ABCD EFGH',
        setup: 'sealed',
        full: false,
      },
      full: { email, problems: [], uri: '', secret: '', setup: '', full: true },
    },
    'move/try': {
      passkey: { email, kind: 'passkey', otherwise: true },
      app: { email, kind: 'app', otherwise: true },
      synced: { email, kind: 'synced', otherwise: true },
      first: { email: longEmail, kind: 'passkey', otherwise: false },
    },
    'move/tested': { passkey: { email, kind: 'passkey' }, app: { email, kind: 'app' } },
    'move/ended': {
      none: { why: 'none' },
      used: { why: 'used' },
      expired: { why: 'expired' },
      refused: { why: 'refused' },
      cancelled: { why: 'cancelled' },
      account: { why: 'account' },
      signed_out: { why: 'signed_out' },
      finished: { why: 'finished' },
    },
    'move/over': { usual: { signal } },
  };
}
