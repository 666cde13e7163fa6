import type { MailModels } from '../../../src/journeys/mail-models.js';
import type { Asked, PageModels } from '../../../src/journeys/page-models.js';
import { moveSamples } from './move-samples.js';

const uid = 'Zx8Qn3RkT1vWb2Yd';
const app = { name: 'Photo Album', logo: '/clients/photo-album/logo' };
const email = 'ada.lovelace@example.com';
const asked: Asked = {
  at: new Date('2026-03-09T17:04:00Z'),
  app: 'Photo Album',
  device: 'Firefox · Windows',
  address: '203.0.113.7',
};
const longApp = {
  name: 'Vereinigung der Freundinnen und Freunde der Donaudampfschifffahrtsgesellschaft im Ruhestand e. V.',
};
const longEmail = `${'a-very-long-mailbox-name.'.repeat(4)}x@department-of-long-names.subdomain.example.com`;

const ada = { id: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e55', name: 'Ada Lovelace', email, initial: 'A' };
const grace = { ...ada, name: 'Grace Brewster Murray-Hopper de la Fontaine-Aux-Roses', initial: 'G' };
const nameless = { id: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e56', email: longEmail, initial: 'A' };

const undecided = { allowed: true, signal: false, regime: 'opt_out' } as const;

const frame = {
  me: ada,
  nav: [
    { word: 'overview', url: '/account', current: true },
    { word: 'sign_in', url: '/account/sign-in', current: false },
    { word: 'devices', url: '/account/devices', current: false },
    { word: 'profile', url: '/account/profile', current: false },
    { word: 'contacts', url: '/account/contacts', current: false },
    { word: 'history', url: '/account/history', current: false },
    { word: 'messages', url: '/account/messages', current: false },
    { word: 'preferences', url: '/account/preferences', current: false },
    { word: 'data', url: '/account/data', current: false },
  ],
  here: '/account',
} as const;
const at = new Date('2026-03-09T17:04:00Z');
const connectedApp = {
  name: 'Buchladen am Eck',
  url: '/account/apps/shop',
  removeUrl: '/account/apps/shop/remove',
  labels: ['See your email address', 'Nickname'],
  at,
};
const aChoice = {
  claim: 'nickname',
  label: 'Nickname',
  purpose: 'Calling you by your name',
  why: 'So that you are called as you like.',
  allowed: true,
};
const action = { ...asked, word: 'signed_in_password', by: 'person', country: 'CH' } as const;

const device = {
  name: 'Firefox · Linux',
  country: 'CH',
  firstSeenAt: at,
  lastSeenAt: at,
  here: false,
  apps: ['Book club', 'Photos'],
};

const passkey = {
  url: '/account/sign-in/passkeys/019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e57',
  name: 'Blue phone',
  provider: 'iCloud Keychain',
  addedAt: at,
  addedFrom: 'Safari · iOS',
  usedAt: at,
  usedFrom: 'Safari · iOS',
  synced: true,
};
const authenticator = {
  url: '/account/sign-in/apps/019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e58',
  name: 'Authenticator app',
  addedAt: at,
  addedFrom: 'Firefox · Windows',
};
const setup = {
  qr: { size: 29, path: 'M4 4h1v1h-1zM5 4h1v1h-1zM6 6h1v1h-1z' },
  secret: 'JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP',
  setup: 'c2VhbGVk',
};
const code = 'ABCD-EFGH-JKLM-NPQR';
const signal = { rpId: 'example.com', userId: 'AZrB0m88fB6dii9rjXweVQ', known: 'a b', name: email };

const held = {
  since: at,
  source: 'person',
  purpose: 'Calling you by your name',
  why: 'So that apps and messages can address you properly. You may leave it out.',
  basis: 'consent',
  toApps: true,
  apps: [app.name, longApp.name],
  required: false,
  undoable: [],
} as const;
const nameEntry = {
  ...held,
  name: 'name',
  label: 'Full name',
  value: { lines: ['Ada Lovelace'] },
  changeUrl: '/account/profile/change/name',
  correctUrl: '/account/profile/correction/name',
  undoable: [
    { id: ada.id, before: { lines: ['Ada Byron'] }, at, until: at },
    { id: grace.id, at, until: at },
  ],
} as const;
const birthEntry = {
  ...held,
  name: 'birthdate',
  label: 'Date of birth',
  value: { lines: ['December 10, 1815'] },
  source: 'operator',
  until: at,
  apps: [],
  required: true,
  changeUrl: '/account/profile/change/birthdate',
  correctUrl: '/account/profile/correction/birthdate',
  open: { id: ada.id, state: 'scheduled', value: { lines: ['December 11, 1815'] }, at },
  refused: { at, reason: 'We need to see a document.' },
} as const;
const addressEntry = {
  ...held,
  name: 'address',
  label: 'Postal address',
  value: { lines: ['12 St James’s Square', 'SW1Y 4JH London', 'United Kingdom'] },
  source: 'import',
  toApps: false,
  apps: [],
  correctUrl: '/account/profile/correction/address',
  open: { id: ada.id, state: 'waiting' },
  correction: { id: ada.id, state: 'refused', wish: 'It is number 13.', answer: 'It is not.', at },
} as const;
const pictureEntry = {
  ...held,
  name: 'picture',
  label: 'Picture',
  value: { lines: [], picture: '/assets/mark.svg' },
  changeUrl: '/account/profile/picture/picture',
  correctUrl: '/account/profile/correction/picture',
  correction: { id: ada.id, state: 'open', wish: 'Not me.', at },
} as const;
const emptyEntry = {
  name: 'nickname',
  label: 'Nickname',
  purpose: held.purpose,
  why: held.why,
  basis: 'legitimate_interest',
  toApps: true,
  apps: [],
  required: false,
  changeUrl: '/account/profile/change/nickname',
  correctUrl: '/account/profile/correction/nickname',
  undoable: [],
} as const;

/** Models for each page, by a name that says what is special about them; the first is the usual one. */
export const pageSamples = {
  'account/messages': {
    usual: {
      ...frame,
      filters: [
        { word: 'all', url: '/account/messages', current: true },
        { word: 'security', url: '/account/messages?only=security', current: false },
        { word: 'code', url: '/account/messages?only=code', current: false },
        { word: 'account', url: '/account/messages?only=account', current: false },
        { word: 'topic', url: '/account/messages?only=topic', current: false },
        { word: 'undelivered', url: '/account/messages?only=undelivered', current: false },
      ],
      filtered: false,
      messages: [
        {
          id: '1',
          channel: 'email',
          kind: 'code',
          state: 'queued',
          at,
          subject: '•••• is your code',
          to: email,
        },
        {
          id: '2',
          channel: 'email',
          kind: 'topic',
          state: 'sent',
          at,
          subject: 'What is new in March',
          to: longEmail,
          agreed: { at, name: 'News', wording: 'Yes, tell me once a month what is new.' },
        },
        { id: '3', channel: 'sms', kind: 'security', state: 'refused', at },
        { id: '4', channel: 'email', kind: 'topic', state: 'withheld', at, subject: longApp.name, to: email },
        { id: '5', channel: 'email', kind: 'account', state: 'failed', at, subject: 'Hello', to: email },
      ],
      olderUrl: '/account/messages?before=1',
      newestUrl: '/account/messages',
    },
    empty: { ...frame, filters: [], filtered: false, messages: [] },
    filtered: { ...frame, filters: [], filtered: true, messages: [], newestUrl: '/account/messages' },
  },
  'account/data': { usual: { ...frame } },
  'account/preferences': {
    usual: {
      ...frame,
      sale: { allowed: false, choice: 'opted_out', by: 'signal', since: at, signal: true, regime: 'opt_in' },
      topics: [
        {
          topic: 'news',
          name: 'News',
          description: 'What is new here, once a month.',
          wording: 'Yes, tell me once a month what is new.',
          language: 'en',
          channels: [
            { channel: 'email', wanted: true, since: at, read: 'news email 1 en', unreachable: false },
            { channel: 'sms', wanted: false, read: 'news sms 1 en', unreachable: true },
          ],
        },
        {
          topic: 'offers',
          name: longApp.name,
          description: 'Things for less.',
          wording: 'Yes, tell me about offers.',
          language: 'en',
          channels: [{ channel: 'email', wanted: false, read: 'offers email 1 en', unreachable: false }],
        },
      ],
      languages: [
        { code: 'en', name: 'English', chosen: true },
        { code: 'ar', name: 'العربية', chosen: false },
      ],
      zones: [
        { zones: [{ zone: 'UTC', place: 'UTC', chosen: false }] },
        {
          region: 'europe',
          zones: [
            { zone: 'Europe/Berlin', place: 'Berlin', time: 'mitteleuropäische Zeit', chosen: true },
            { zone: 'Europe/Kyiv', place: 'Kyiv', chosen: false },
          ],
        },
      ],
      done: 'topics',
    },
    none: { ...frame, sale: undecided, topics: [], languages: [], zones: [], problem: 'reworded' },
    zone: {
      ...frame,
      sale: { ...undecided, choice: 'opted_in', by: 'person', since: at, allowed: true, signal: true },
      topics: [],
      languages: [{ code: 'en', name: 'English', chosen: true }],
      zones: [{ zones: [{ zone: 'UTC', place: 'UTC', chosen: false }] }],
      problem: 'zone',
    },
  },
  'account/overview': {
    usual: {
      ...frame,
      attention: [
        { word: 'unproved_email' },
        { word: 'incomplete_profile', url: '/account/profile' },
        { word: 'no_passkey', url: '/account/sign-in/passkeys/new' },
        { word: 'one_email', url: '/account/contacts' },
        { word: 'no_second_step', url: '/account/sign-in/apps/new' },
      ],
      password: true,
      passkeys: 0,
      secondStep: false,
      addresses: [
        { address: email, proved: true },
        { address: longEmail, proved: false },
      ],
      signIns: [
        { word: 'signed_in_passkey', at, device: 'Firefox · Windows' },
        { word: 'signed_in_passkey', at },
      ],
      historyUrl: '/account/history',
    },
    calm: {
      ...frame,
      me: nameless,
      attention: [],
      password: false,
      passkeys: 2,
      secondStep: true,
      addresses: [
        { address: email, proved: true },
        { address: 'ada@example.org', proved: true },
      ],
      signIns: [],
    },
  },
  'account/sign-in/ways': {
    usual: {
      ...frame,
      mayEndOthers: true,
      done: 'passkey_added',
      password: { changedAt: at, changedFrom: 'Firefox · Windows', usedAt: at },
      apps: [authenticator, { ...authenticator, name: longApp.name, url: `${authenticator.url}1` }],
      codes: { left: 10, madeAt: at },
      passkeys: [passkey, { ...passkey, name: longApp.name, url: `${passkey.url}1`, synced: false }],
      suspended: [],
      signal,
    },
    paused: {
      ...frame,
      mayEndOthers: false,
      apps: [],
      codes: { left: 9, madeAt: at },
      passkeys: [{ ...passkey, suspended: true }],
      suspended: [{ name: 'Authenticator app', addedAt: at }],
      signal,
    },
    bare: {
      ...frame,
      me: nameless,
      mayEndOthers: false,
      passkeys: [],
      apps: [],
      suspended: [],
      signal: { ...signal, known: '' },
    },
  },
  'account/sign-in/password': {
    usual: { ...frame, problems: [], minimumLength: 15, exists: true, last: false },
    last: {
      ...frame,
      problems: [{ word: 'last_way_in' }, { word: 'password_missing', field: 'password' }],
      minimumLength: 15,
      exists: true,
      last: true,
    },
    first: { ...frame, problems: [], minimumLength: 15, exists: false, last: false },
  },
  'account/sign-in/new-passkey': { usual: frame },
  'account/sign-in/passkey': {
    usual: { ...frame, problems: [], passkey, typed: passkey.name, last: false, needed: false },
    needed: { ...frame, problems: [{ word: 'last_factor' }], passkey, typed: 'A', last: false, needed: true },
    last: {
      ...frame,
      problems: [{ word: 'passkey_name_missing', field: 'name' }],
      passkey: { url: passkey.url, name: longApp.name, addedAt: at, synced: false },
      typed: '',
      last: true,
      needed: true,
    },
  },
  'account/profile': {
    usual: {
      ...frame,
      here: '/account/profile',
      held: [nameEntry, birthEntry, addressEntry, pictureEntry],
      empty: [emptyEntry],
    },
    done: { ...frame, held: [], empty: [emptyEntry], done: 'changed' },
  },
  'account/profile-change': {
    usual: {
      ...frame,
      entry: nameEntry,
      action: '/account/profile/change/name',
      fields: [
        {
          name: 'value',
          label: 'Full name',
          value: 'Ada',
          autocomplete: 'name',
          kind: 'text',
          maxlength: 120,
        },
      ],
      limits: {
        times: { count: 2, within: { unit: 'day', count: 365 } },
        coolDown: { unit: 'hour', count: 12 },
        effectiveAfter: { unit: 'minute', count: 15 },
        undoWithin: { unit: 'day', count: 7 },
        stepUp: false,
        approval: true,
      },
      hint: 'As in your passport.',
      problems: [{ word: 'value_too_long', field: 'value' }],
    },
    choice: {
      ...frame,
      entry: birthEntry,
      action: '/account/profile/change/zoneinfo',
      fields: [
        {
          name: 'value',
          label: 'Time zone',
          value: 'UTC',
          autocomplete: 'off',
          kind: 'choice',
          choices: [
            { value: 'UTC', label: 'UTC', chosen: true },
            { value: 'Europe/Berlin', label: 'Europe/Berlin', chosen: false },
          ],
        },
      ],
      limits: { stepUp: false, approval: false },
    },
    unchosen: {
      ...frame,
      entry: { ...emptyEntry, required: true },
      action: '/account/profile/change/zoneinfo',
      fields: [
        {
          name: 'value',
          label: 'Time zone',
          value: '',
          autocomplete: 'off',
          kind: 'choice',
          choices: [{ value: 'UTC', label: 'UTC', chosen: false }],
        },
      ],
      limits: { stepUp: false, approval: false },
      problems: [{ word: 'value_no_zone', field: 'value' }],
    },
    parts: {
      ...frame,
      entry: { ...addressEntry, changeUrl: '/account/profile/change/address' },
      action: '/account/profile/change/address',
      fields: ['Street and number', 'Postal code', 'Town'].map(label => ({
        name: label.toLowerCase().replaceAll(' ', '_'),
        label,
        value: '',
        autocomplete: 'off',
        kind: 'text' as const,
        maxlength: 500,
      })),
      limits: { stepUp: false, approval: false },
    },
    blocked: {
      ...frame,
      entry: birthEntry,
      action: '/account/profile/change/birthdate',
      fields: [],
      limits: { stepUp: false, approval: false },
      blocked: { why: 'too_often', from: at },
    },
  },
  'account/profile-correction': {
    usual: { ...frame, entry: nameEntry, wish: '', longest: 1000 },
    wrong: {
      ...frame,
      entry: addressEntry,
      wish: 'x',
      longest: 1000,
      problems: [{ word: 'wish_too_long', field: 'wish', vars: { count: 1000 } }],
    },
  },
  'account/profile-undo': {
    usual: {
      ...frame,
      entry: nameEntry,
      change: { id: ada.id, before: { lines: ['Ada B.'] }, at, until: at },
    },
    empty: { ...frame, entry: nameEntry, change: { id: ada.id, at, until: at } },
    over: { ...frame },
  },
  'account/profile-picture': {
    usual: {
      ...frame,
      entry: pictureEntry,
      action: '/account/profile/picture/picture',
      limits: { stepUp: false, approval: false },
      megabytes: 8,
    },
    wrong: {
      ...frame,
      entry: emptyEntry,
      action: '/account/profile/picture/picture',
      limits: { stepUp: false, approval: false },
      megabytes: 8,
      problems: [{ word: 'picture_unreadable', field: 'picture' }],
    },
    blocked: {
      ...frame,
      entry: pictureEntry,
      action: '/account/profile/picture/picture',
      limits: { stepUp: false, approval: false },
      megabytes: 8,
      blocked: { why: 'too_soon', from: at },
    },
  },
  'account/apps': {
    usual: {
      ...frame,
      done: 'withdrawn',
      apps: [connectedApp, { ...connectedApp, used: at, got: at, until: at, logo: '/clients/shop/logo' }],
      unused: [connectedApp],
      unusedDays: 180,
      house: [{ name: 'Photo Album', used: at }],
    },
    empty: { ...frame, apps: [], unused: [], unusedDays: 180, house: [] },
  },
  'account/app': {
    usual: {
      ...frame,
      done: 'changed',
      app: { name: connectedApp.name, logo: '/clients/shop/logo' },
      url: connectedApp.url,
      used: at,
      allowed: {
        at,
        until: at,
        seen: '0198',
        groups: [
          { ask: { value: 'scope:profile', word: 'profile' }, choices: [aChoice], folded: true },
          { choices: [{ ...aChoice, allowed: false }], folded: false },
        ],
        others: [{ value: 'scope:openid', word: 'openid' }],
        days: [30, 90, 365],
        never: true,
        removeUrl: connectedApp.removeUrl,
      },
      history: [
        { at, event: 'changed', receiptUrl: '/account/receipts/0198' },
        { at, event: 'given', receiptUrl: '/account/receipts/0197' },
      ],
      olderUrl: '/account/apps/shop?before=7',
      newestUrl: '/account/apps/shop',
      toldUrl: '/account/disclosures?app=shop',
    },
    none: {
      ...frame,
      done: 'gone',
      app: { name: connectedApp.name },
      url: connectedApp.url,
      history: [{ at, event: 'withdrawn', receiptUrl: '/account/receipts/0199' }],
      toldUrl: '/account/disclosures?app=shop',
    },
  },
  'account/app-remove': {
    usual: {
      ...frame,
      app: { name: connectedApp.name },
      url: connectedApp.removeUrl,
      backUrl: connectedApp.url,
    },
  },
  'account/disclosures': {
    usual: {
      ...frame,
      knowing: [
        {
          app: 'Buchladen am Eck',
          last: at,
          labels: ['Email address', 'Name'],
          url: '/account/disclosures?app=shop',
        },
      ],
      rows: [
        {
          app: 'Buchladen am Eck',
          at,
          way: 'userinfo',
          reason: 'agreed',
          claims: [
            { label: 'Email address', purpose: 'Running your account', changed: true },
            { label: 'Your number at the app', changed: false },
          ],
        },
        {
          app: 'Buchladen am Eck',
          at,
          way: 'id_token',
          reason: 'signed_in',
          claims: [{ label: 'Your number at the app', changed: false }],
        },
      ],
      apps: [{ value: 'shop', label: 'Buchladen am Eck', chosen: false }],
      claims: [{ value: 'email', label: 'Email address', chosen: false }],
      filtered: false,
      olderUrl: '/account/disclosures?before=0197',
      csvUrl: '/account/disclosures.csv',
      jsonUrl: '/account/disclosures.json',
    },
    empty: {
      ...frame,
      knowing: [],
      rows: [],
      apps: [],
      claims: [],
      filtered: false,
      csvUrl: '/account/disclosures.csv',
      jsonUrl: '/account/disclosures.json',
    },
    filtered: {
      ...frame,
      knowing: [],
      rows: [],
      apps: [{ value: 'shop', label: 'Buchladen am Eck', chosen: true }],
      claims: [{ value: 'email', label: 'Email address', chosen: true }],
      filtered: true,
      newestUrl: '/account/disclosures?app=shop',
      csvUrl: '/account/disclosures.csv?app=shop',
      jsonUrl: '/account/disclosures.json?app=shop',
    },
  },
  'account/history': {
    usual: {
      ...frame,
      rows: [
        {
          tries: 20,
          more: true,
          newest: { ...action, word: 'failed_password' },
          url: '/account/history?kind=tries',
        },
        { ...action, objectUrl: '/account/history/0198/object' },
        { word: 'something', at, by: 'operator', objectUrl: '/account/history/0197/object' },
        {
          word: 'inspected_support',
          at,
          by: 'operator',
          saw: ['Email address', 'Date of birth'],
          codes: ['berlin-2', 'CASE-4711'],
          objectUrl: '/account/history/0196/object',
        },
        { tries: 1, more: false, newest: { word: 'failed', at, by: 'person' }, url: '/account/history' },
      ],
      kinds: [
        { word: 'all', url: '/account/history', current: true },
        { word: 'sign_ins', url: '/account/history?kind=sign_ins', current: false },
      ],
      from: '',
      to: '',
      filtered: false,
      olderUrl: '/account/history?before=0197',
      csvUrl: '/account/history.csv',
      jsonUrl: '/account/history.json',
    },
    problem: {
      ...frame,
      rows: [],
      kinds: [{ word: 'tries', url: '/account/history?kind=tries', current: true }],
      kind: 'tries',
      from: '2026-05-31',
      to: '2026-05-01',
      problems: [{ word: 'days_reversed', field: 'to' }],
      filtered: true,
      newestUrl: '/account/history',
      csvUrl: '/account/history.csv',
      jsonUrl: '/account/history.json',
    },
    nothing: {
      ...frame,
      rows: [],
      kinds: [{ word: 'changes', url: '/account/history?kind=changes', current: true }],
      kind: 'changes',
      from: '2026-05-01',
      to: '2026-05-02',
      filtered: true,
      newestUrl: '/account/history',
      csvUrl: '/account/history.csv',
      jsonUrl: '/account/history.json',
    },
    empty: {
      ...frame,
      rows: [],
      kinds: [],
      from: '',
      to: '',
      filtered: false,
      csvUrl: '/account/history.csv',
      jsonUrl: '/account/history.json',
    },
  },
  'account/devices': {
    usual: {
      ...frame,
      devices: [
        { ...device, here: true },
        { ...device, endUrl: '/account/devices/0198/end', objectUrl: '/account/devices/0198/object' },
        {
          firstSeenAt: at,
          lastSeenAt: at,
          here: false,
          apps: [],
          endUrl: '/account/devices/0197/end',
          objectUrl: '/account/devices/0197/object',
        },
      ],
      mayEndOthers: true,
      moreUrl: '/account/devices?after=1.a',
      firstUrl: '/account/devices',
      remembered: [
        {
          name: 'Safari · iOS',
          country: 'CH',
          at,
          until: at,
          forgetUrl: '/account/devices/remembered/1/forget',
        },
        { at, until: at, forgetUrl: '/account/devices/remembered/2/forget' },
      ],
    },
    alone: {
      ...frame,
      me: nameless,
      done: 'ended_others',
      devices: [{ ...device, here: true }],
      mayEndOthers: false,
      remembered: [],
    },
  },
  'account/device-end': { usual: { ...frame, device, url: '/account/devices/0198/end' } },
  'account/device-object': {
    usual: { ...frame, device, objection: 'c2VhbGVk', endUrl: '/account/devices/0198/end' },
  },
  'account/devices-end-others': { usual: frame },
  'account/history-object': {
    usual: { ...frame, action, harmless: false, objection: 'c2VhbGVk' },
    passkey: { ...frame, action, harmless: false, objection: 'c2VhbGVk', passkey: 'now' },
    later: { ...frame, action, harmless: false, objection: 'c2VhbGVk', passkey: 'by_mail' },
    harmless: { ...frame, action, harmless: true },
    staff: {
      ...frame,
      action: { word: 'inspected', at, by: 'operator', saw: [], codes: ['CASE-4711'] },
      harmless: true,
    },
  },
  'account/sign-in/new-app': {
    usual: { ...frame, problems: [], ...setup, full: false },
    wrong: { ...frame, problems: [{ word: 'setup_wrong', field: 'code' }], ...setup, full: false },
    expired: { ...frame, problems: [{ word: 'setup_expired' }], ...setup, full: false },
    full: { ...frame, problems: [], ...setup, full: true },
  },
  'account/sign-in/app': {
    usual: { ...frame, problems: [], app: authenticator, typed: authenticator.name, last: false },
    last: {
      ...frame,
      problems: [{ word: 'last_second_step' }, { word: 'app_name_missing', field: 'name' }],
      app: authenticator,
      typed: '',
      last: true,
    },
  },
  'account/sign-in/end-second-step': {
    usual: { ...frame, problems: [], needed: false },
    needed: { ...frame, problems: [], needed: true },
  },
  'account/sign-in/recovery-codes': {
    usual: { ...frame, codes: Array.from({ length: 10 }, () => code), left: 10, madeAt: at, needless: false },
    later: { ...frame, codes: [], left: 1, madeAt: at, needless: false },
    needless: { ...frame, codes: [], left: 0, needless: true },
  },
  'second-step/code': {
    usual: { uid, app, email, by: 'app', otherUrl: '/x', mayRemember: true, notice: 'second_needed' },
    recovery: { uid, app: longApp, email: longEmail, by: 'recovery', otherUrl: '/x', mayRemember: false },
    wrong: {
      uid,
      app,
      email,
      by: 'app',
      otherUrl: '/x',
      mayRemember: true,
      notice: 'second_wished',
      problems: [{ word: 'second_wrong', field: 'code' }],
    },
    missing: {
      uid,
      app,
      email,
      by: 'recovery',
      otherUrl: '/x',
      mayRemember: false,
      problems: [{ word: 'second_missing', field: 'code' }],
    },
  },
  'second-step/new-code': { usual: { uid, app, code } },
  'second-step/choose': {
    usual: { uid, app, email, because: 'app', appEnough: true },
    role: { uid, app: longApp, email: longEmail, because: 'role', appEnough: true },
    wish: { uid, app, email, because: 'wish', appEnough: false },
  },
  'second-step/new-app': {
    usual: { uid, app, because: 'app', ...setup },
    wrong: {
      uid,
      app: longApp,
      because: 'role',
      ...setup,
      problems: [{ word: 'setup_wrong', field: 'code' }],
    },
  },
  'second-step/use-passkey': {
    usual: { uid, app, email, because: 'app', codeEnough: true },
    wrong: {
      uid,
      app,
      email,
      because: 'role',
      codeEnough: true,
      problems: [{ word: 'recovery_wrong', field: 'code' }],
    },
    without: { uid, app: longApp, email: longEmail, because: 'app', codeEnough: false },
  },
  'second-step/new-codes': { usual: { uid, app, codes: Array.from({ length: 10 }, () => code) } },
  'account/other-person': { usual: { ...frame, form: '/account' } },
  'account/contacts': {
    usual: {
      ...frame,
      emails: [
        { id: 'a1', kind: 'email', address: email, isMain: true, proved: true },
        { id: 'a2', kind: 'email', address: longEmail, isMain: false, proved: true },
      ],
      phones: [
        { id: 'p1', kind: 'phone', address: '+447400123456', isMain: true, proved: true },
        { id: 'p2', kind: 'phone', address: '+4915123456789', isMain: false, proved: false },
      ],
      changes: [
        { id: 'c2', word: 'email_made_primary', address: email, at, until: new Date('2026-03-16T17:04:00Z') },
        {
          id: 'c1',
          word: 'phone_added',
          address: '+447400123456',
          at,
          until: new Date('2026-03-16T17:04:00Z'),
        },
      ],
      phonesOn: true,
      done: 'main_email',
    },
    bare: {
      ...frame,
      emails: [{ id: 'a1', kind: 'email', address: email, isMain: true, proved: true }],
      phones: [],
      changes: [],
      phonesOn: false,
    },
  },
  'account/contact': {
    second: {
      ...frame,
      contact: { id: 'a2', kind: 'email', address: 'ada@example.org', isMain: false, proved: true },
      addedAt: at,
    },
    main: {
      ...frame,
      contact: { id: 'a1', kind: 'email', address: email, isMain: true, proved: true },
      addedAt: at,
      next: 'ada@example.org',
    },
    last: {
      ...frame,
      contact: { id: 'a1', kind: 'email', address: longEmail, isMain: true, proved: true },
      addedAt: at,
      kept: 'last',
    },
    unproved: {
      ...frame,
      contact: { id: 'p2', kind: 'phone', address: '+4915123456789', isMain: false, proved: false },
      addedAt: at,
    },
  },
  'account/contact-add': {
    email: { ...frame, kind: 'email', typed: '' },
    phone: { ...frame, kind: 'phone', typed: '0151', problems: [{ word: 'phone_invalid', field: 'phone' }] },
  },
  'account/contact-code': {
    email: {
      ...frame,
      proof: 'x',
      kind: 'email',
      address: email,
      minutes: 10,
      state: 'open',
      sentAgain: true,
    },
    phone: {
      ...frame,
      proof: 'x',
      kind: 'phone',
      address: '+447400123456',
      minutes: 10,
      state: 'open',
      sentAgain: false,
      problems: [{ word: 'code_wrong', field: 'code', vars: { count: 3 } }],
    },
    undelivered: {
      ...frame,
      proof: 'x',
      kind: 'phone',
      address: '+447400123456',
      minutes: 10,
      state: 'undelivered',
      sentAgain: false,
    },
    expired: {
      ...frame,
      proof: 'x',
      kind: 'email',
      address: email,
      minutes: 10,
      state: 'expired',
      sentAgain: false,
    },
    ended: {
      ...frame,
      proof: 'x',
      kind: 'phone',
      address: '+447400123456',
      minutes: 10,
      state: 'ended',
      sentAgain: false,
    },
    taken: {
      ...frame,
      proof: 'x',
      kind: 'email',
      address: email,
      minutes: 10,
      state: 'taken',
      sentAgain: false,
    },
  },
  'account/contact-undo': {
    usual: {
      ...frame,
      change: { id: 'c2', word: 'email_removed', address: email, at, until: at },
      taken: false,
    },
    taken: {
      ...frame,
      change: { id: 'c2', word: 'email_removed', address: email, at, until: at },
      taken: true,
    },
  },
  'undo/ask': {
    usual: {
      token: 'abc',
      change: { word: 'email_made_primary', address: 'e…@example.net' },
      asked,
      back: ['a…@example.com'],
      gone: ['e…@example.net', '+44…456'],
      main: ['a…@example.com'],
      until: at,
    },
  },
  'undo/done': { usual: {} },
  'undo/ended': { used: { reason: 'used' }, expired: { reason: 'expired' }, taken: { reason: 'taken' } },
  home: {
    nobody: { people: [], discoveryUrl: '/.well-known/openid-configuration' },
    full: {
      people: [ada],
      apps: [
        { name: 'Photo Album', url: 'https://photos.example/', logo: app.logo },
        { name: longApp.name, url: 'https://verein.example/' },
      ],
      tryUrl: 'http://localhost:3001/',
      mailboxUrl: '/dev/mailbox',
      discoveryUrl: '/.well-known/openid-configuration',
    },
    several: { people: [ada, grace, nameless], discoveryUrl: '/.well-known/openid-configuration' },
  },
  'choose-account': {
    usual: { uid, app, people: [ada, nameless], most: 10, otherUrl: `/interaction/${uid}?way=sign-in` },
    full: { uid, app: longApp, people: [ada, grace, nameless], most: 3 },
    problem: { uid, app, people: [ada], most: 10, otherUrl: '/x', problems: [{ word: 'account_gone' }] },
  },
  'sign-in/identifier': {
    usual: { uid, app, signUpUrl: `/interaction/${uid}?step=sign-up` },
    problem: {
      uid,
      app: longApp,
      email: 'ada@',
      signUpUrl: '/x',
      problems: [{ word: 'email_invalid', field: 'email' }],
    },
    again: { uid, app, email, signUpUrl: '/x', problems: [{ word: 'form_expired' }] },
    chosen: { uid, app, signUpUrl: '/x', chooseUrl: `/interaction/${uid}?way=choose` },
    stronger: { uid, app, email, signUpUrl: '/x', notice: 'passkey_needed' },
  },
  'sign-in/password': {
    usual: { uid, app, email, emailCode: true },
    problem: {
      uid,
      app,
      email: longEmail,
      emailCode: false,
      problems: [{ word: 'credentials_wrong', field: 'password' }],
    },
  },
  'sign-in/code': {
    usual: { uid, app, email, minutes: 10, state: 'open' },
    ended: { uid, app, email, minutes: 10, state: 'ended' },
  },
  'sign-up/email': {
    usual: { uid, app, signInUrl: `/interaction/${uid}` },
    problem: { uid, app, signInUrl: '/x', problems: [{ word: 'email_missing', field: 'email' }] },
  },
  'sign-up/code': {
    usual: { uid, app, email: longEmail, minutes: 10, state: 'open', sentAgain: true },
    problem: {
      uid,
      app,
      email,
      minutes: 1,
      state: 'open',
      problems: [{ word: 'code_wrong', field: 'code', vars: { count: 1 } }],
    },
    expired: { uid, app, email, minutes: 10, state: 'expired' },
  },
  'sign-up/credential': {
    usual: { uid, app, email, minimumLength: 15, terms: { version: '2026-01', url: '/terms' } },
    problem: {
      uid,
      app,
      email,
      name: 'Ada Lovelace',
      termsAccepted: false,
      minimumLength: 15,
      terms: { version: '2026-01', url: '/terms' },
      problems: [
        { word: 'terms_missing', field: 'terms' },
        { word: 'password_known', field: 'password' },
        { word: 'password_too_short', field: 'password', vars: { count: 15 } },
      ],
    },
  },
  'passkey/offer': {
    usual: { uid, app, email },
  },
  'app-warning': {
    usual: { uid, app, destination: 'photos.example' },
    long: { uid, app: longApp, destination: 'a-rather-long-host-name.of-a-rather-long-domain.example' },
  },
  consent: {
    usual: {
      uid,
      wording: 'e3b0c442',
      app,
      email,
      verified: true,
      required: [
        { value: 'scope:openid', word: 'openid' },
        { value: 'scope:email', word: 'email', now: email },
      ],
      optional: [
        { value: 'claim:name', text: 'See your full name', now: 'Ada Lovelace' },
        { value: 'claim:birthdate', text: 'See your date of birth' },
        {
          value: 'claim:age_over_16',
          word: 'age_over_16',
          said: 'To show you films that are right for you.',
        },
        { value: 'scope:offline_access', word: 'offline_access' },
      ],
      purposes: [
        { name: 'Running your account', why: 'So that you can sign in.', others: [] },
        {
          name: 'Keeping to age limits',
          why: 'Some things are for adults only.',
          days: 730,
          others: ['Acme Ltd', 'Parcel & Co'],
        },
      ],
      destination: 'photos.example',
      links: { site: 'https://photos.example', policy: 'https://photos.example/privacy', terms: '/x' },
    },
    unverified: {
      uid,
      wording: 'e3b0c442',
      app: longApp,
      email: longEmail,
      verified: false,
      required: [{ value: 'scope:boats', text: 'Read the list of your boats' }],
      optional: [],
      purposes: [],
      days: 90,
      destination: 'a-rather-long-host-name.of-a-rather-long-domain.example',
      links: {},
    },
  },
  'link/same-browser': {
    usual: { uid, app, token: 'Jx7', email },
  },
  'link/other-browser': {
    usual: { uid, token: 'Jx7', email, code: '4821 9037', minutes: 8, asked },
  },
  'recovery/code': {
    archived: { uid, app, email, minutes: 10, state: 'open', notice: 'archived' },
    usual: { uid, app, email, minutes: 10, state: 'open' },
    over: { uid, app, email, minutes: 10, state: 'over' },
  },
  'recovery/credential': {
    usual: { uid, app, email, minimumLength: 15, held: [], said: false },
    held: {
      uid,
      app,
      email,
      minimumLength: 15,
      said: true,
      held: [
        { id: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e57', name: 'Blue phone', addedAt: at, gone: true },
        { id: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e59', name: longApp.name, addedAt: at, gone: false },
      ],
    },
    problem: {
      uid,
      app,
      email: longEmail,
      minimumLength: 15,
      held: [],
      said: false,
      problems: [{ word: 'password_too_short', field: 'password', vars: { count: 15 } }],
    },
  },
  'recovery/lost': {
    usual: { uid, app, email, hours: 72, mayWait: true, mailProved: false },
    atOnce: {
      uid,
      app: longApp,
      email: longEmail,
      hours: 0,
      mayWait: true,
      mailProved: true,
      support: { address: longEmail },
    },
    nothing: {
      uid,
      app,
      email,
      hours: 1,
      mayWait: false,
      mailProved: true,
      support: { url: 'https://help.example/' },
    },
  },
  'recovery/lost-password': {
    usual: { uid, app, email },
    wrong: { uid, app, email: longEmail, problems: [{ word: 'credentials_wrong', field: 'password' }] },
  },
  'recovery/lost-what': {
    usual: {
      uid,
      app,
      email,
      hours: 72,
      apps: [{ name: 'Authenticator app', addedAt: at }],
      passkeys: [
        { id: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e57', name: 'Blue phone', addedAt: at, synced: false },
        { id: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e59', name: longApp.name, addedAt: at, synced: true },
      ],
    },
    atOnce: { uid, app, email, hours: 0, apps: [{ name: longApp.name, addedAt: at }], passkeys: [] },
  },
  'recovery/lost-waiting': {
    usual: { uid, app, email, resting: false, readyAt: at, expiresAt: at },
    resting: { uid, app, email, resting: true, readyAt: at },
  },
  'recovery/lost-new': {
    usual: { uid, app, email, ...setup },
    wrong: { uid, app, email, ...setup, problems: [{ word: 'setup_wrong', field: 'code' }] },
  },
  'recovery/lost-codes': { usual: { uid, app, codes: [code, code, code] } },
  'recovery/stop': {
    mailed: { action: '/recovery/stop/abc', completed: false, readyAt: at, asked, signingIn: false },
    completed: { action: '/recovery/stop/abc', completed: true, readyAt: at, asked, signingIn: false },
    factor: { action: '/x', app, completed: false, readyAt: at, asked, signingIn: true },
  },
  'recovery/stopped': { now: { before: false }, before: { before: true } },
  'recovery/stop-ended': { usual: {} },
  'account/recovery': {
    waiting: { ...frame, done: false, waiting: { readyAt: at, expiresAt: at, asked } },
    done: { ...frame, done: true },
    none: { ...frame, done: false },
  },
  'objection/ask': {
    recovery: { token: 'abc', news: { kind: 'recovered_with_password', values: {} }, undoes: [], asked },
    passkey: { token: 'abc', news: { kind: 'passkey_added', values: {} }, undoes: ['passkey'], asked },
    unknown: { token: 'abc', undoes: [], asked },
    earlier: {
      token: 'abc',
      news: { kind: 'account_frozen_here', values: {} },
      undoes: ['passkey', 'addresses'],
      earlier: true,
      asked,
    },
  },
  'objection/done': {
    usual: {},
    app: { app: { name: 'Example shop', url: 'https://shop.example/' } },
    here: { fromAccount: true },
  },
  'objection/ended': {
    used: { reason: 'used' },
    expired: { reason: 'expired' },
  },
  'link/ended': {
    used: { reason: 'used' },
    expired: { reason: 'expired' },
    denied: { reason: 'denied' },
  },
  apps: {
    none: { apps: [] },
    some: {
      apps: [
        { name: 'Photo Album', url: 'https://photos.example/start?iss=x', logo: '/clients/photos/logo' },
        { name: 'Shop', url: 'https://shop.example/start?iss=x' },
      ],
      nextUrl: '/apps?after=app_1',
    },
  },
  'device/code': {
    usual: { code: '' },
    problem: { code: 'BCDF-GHJK', problems: [{ word: 'device_code_wrong', field: 'user_code' }] },
    missing: { code: '', problems: [{ word: 'device_code_missing', field: 'user_code' }] },
  },
  'device/confirm': {
    usual: { app, code: 'BCDF-GHJK', asked: { at: new Date(0), device: 'TV', address: '192.0.2.1' } },
    bare: { app: { name: 'TV' }, code: 'BCDF-GHJK', asked: { at: new Date(0) } },
  },
  'device/done': { usual: { app } },
  'device/denied': { usual: {} },
  'sign-out/confirm': {
    usual: {
      person: { name: 'Ada Lovelace', email },
      app,
      signOut: { action: '/end-session/confirm', fields: [{ name: 'xsrf', value: 'abc' }] },
      stay: { action: '/end-session/confirm', fields: [{ name: 'xsrf', value: 'abc' }] },
    },
    here: { person: { email }, signOut: { action: '/sign-out' } },
  },
  'sign-out/who': {
    usual: {
      people: [ada, grace, nameless],
      app,
      request: 'state=abc',
    },
  },
  'sign-out/done': {
    usual: { app: { name: 'Photo Album', url: 'https://photos.example/' } },
    nowhere: {},
  },
  error: {
    usual: { word: 'generic', error: 'invalid_request', description: 'scope is missing', requestId: 'r-1' },
    redirect: {
      word: 'redirect',
      app,
      error: 'invalid_redirect_uri',
      description: "redirect_uri did not match any of the client's registered redirect_uris",
      sent: 'https://photos.example/callback?from=the-page-that-was-open-before-and-has-a-long-name',
      clientId: 'photo-album',
      requestId: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e55',
    },
    internal: { word: 'internal', requestId: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e55' },
    bare: { word: 'expired', homeUrl: '/' },
  },
  busy: { usual: { seconds: 5, retryUrl: `/interaction/${uid}` } },
  'too-many': { usual: { seconds: 60 }, locked: { seconds: 900_000, retryUrl: '/x' } },
  finished: { usual: { continueUrl: 'https://photos.example/', app }, bare: {} },
  'not-found': { usual: {} },
  terms: { usual: { version: '2026-01' } },
  'dev/mailbox': {
    usual: {
      mails: [
        { url: '/dev/mailbox/1', to: email, subject: '4821 9037 is your Keyhold code', at: asked.at },
        { url: '/dev/mailbox/2', to: longEmail, subject: 'A passkey was added', at: asked.at },
      ],
    },
    empty: { mails: [] },
  },
  'dev/mail': {
    usual: {
      to: email,
      subject: '4821 9037 is your Keyhold code',
      sentAt: asked.at,
      text: 'Type this code to create your account:\n\n    4821 9037\n',
      links: [`http://localhost:3000/interaction/${uid}/link/J9s8d7f6g5h4`],
    },
  },
  'unsubscribe/ask': {
    on: { token: 'Jx7', topic: 'News', channel: 'email', state: 'on' },
    stopped: { token: 'Jx7', topic: longApp.name, channel: 'sms', state: 'stopped', done: 'stopped' },
    restored: { token: 'Jx7', topic: 'News', channel: 'email', state: 'on', done: 'restored' },
    off: { token: 'Jx7', topic: 'News', channel: 'email', state: 'off' },
  },
  'unsubscribe/unknown': { usual: {} },
  'receipts/verify': {
    usual: { kilobytes: 200 },
    missing: { kilobytes: 200, problems: [{ word: 'receipt_missing', field: 'receipt' }] },
    large: { kilobytes: 200, problems: [{ word: 'receipt_too_large', field: 'receipt' }] },
  },
  'receipts/result': {
    usual: {
      app: 'Rose & Sons',
      event: 'given',
      happenedAt: at,
      issuedAt: at,
      purposes: ['Calling you by your name'],
      allowed: ['openid', 'name'],
      refused: ['birthdate'],
      subject: 'urn:uuid:5f0c9a52-5b0e-4d3b-9f5e-0d8a6a6f4b11',
    },
    altered: { fault: 'altered' },
    stranger: { fault: 'unknown_signer' },
    none: { fault: 'unreadable' },
    elsewhere: { fault: 'other_issuer' },
    unknown: { fault: 'not_on_record' },
    other: { fault: 'other_person' },
  },
  ...moveSamples(frame),
} satisfies { readonly [Name in keyof PageModels]: Readonly<Record<string, PageModels[Name]>> };

/** A model for each mail. */
export const mailSamples: MailModels = {
  'sign-up-code': {
    issuerName: 'Keyhold',
    code: '4821 9037',
    url: `https://id.example/interaction/${uid}/link/Jx7`,
    minutes: 10,
    asked,
  },
  'sign-in-code': { issuerName: 'Keyhold', code: '4821 9037', minutes: 10, asked: { at: asked.at } },
  'account-exists': { issuerName: 'Keyhold', signInUrl: 'https://id.example/', asked },
  'recovery-code': { issuerName: 'Keyhold', code: '12345678', minutes: 10, asked },
  'add-email-code': { issuerName: 'Keyhold', code: '12345678', minutes: 10, asked },
  'address-held': { issuerName: 'Keyhold', asked },
  notice: {
    issuerName: 'Keyhold',
    news: { kind: 'passkey_added', values: {} },
    objectUrl: 'https://id.example/objection/abc',
    undoUrl: 'https://id.example/undo/abc',
    asked: { ...asked, country: 'DE' },
  },
  topic: {
    issuerName: 'Keyhold',
    subject: 'What is new in March',
    paragraphs: [
      { text: 'We have painted the door.', isLink: false },
      { text: 'https://news.example/march', isLink: true },
    ],
    topic: 'News',
    since: asked.at,
    stopUrl: 'https://id.example/unsubscribe/Jx7',
  },
  dormancy: {
    issuerName: 'Keyhold',
    news: { kind: 'notice' },
    archiveAt: at,
    accountUrl: 'https://id.example/account',
  },
};
