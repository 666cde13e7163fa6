import { RIGHTS } from '../../../src/domain/rights/rights.js';
import type { AccountFrame } from '../../../src/journeys/manage/door.js';
import {
  RIGHTS_DONE,
  type RightsPages,
  type ShownRequest,
} from '../../../src/journeys/manage/rights/models.js';

const at = new Date('2026-03-09T17:04:00Z');
const later = new Date('2026-04-09T17:04:00Z');
const request = (more: Partial<ShownRequest>): ShownRequest => ({
  id: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e58',
  right: 'access',
  state: 'open',
  askedAt: at,
  url: '/account/data/requests/1',
  about: [],
  everything: false,
  ...more,
});
const clock = { due: later, urgency: 'later', days: 31, extended: false } as const;
const all: readonly ShownRequest[] = [
  request({ id: '1', clock }),
  request({ id: '2', right: 'rectification', clock: { ...clock, urgency: 'soon', days: 2, extended: true } }),
  request({ id: '3', right: 'erasure', clock: { ...clock, urgency: 'overdue', days: 0 } }),
  request({ id: '4', right: 'erasure', state: 'unconfirmed', agent: 'Consumer Watch e. V.' }),
  ...(['exported', 'deleting', 'corrected', 'answered', 'refused', 'withdrawn'] as const).map(outcome =>
    request({
      id: outcome,
      right: 'portability',
      state: outcome === 'refused' || outcome === 'withdrawn' ? outcome : 'done',
      outcome,
      decidedAt: later,
      about: ['Date of birth', 'Knowing your age'],
    }),
  ),
];
const held = request({
  id: 'held',
  right: 'restriction',
  state: 'done',
  outcome: 'held_back',
  decidedAt: at,
  everything: true,
  holds: { since: at, endUrl: '/account/data/requests/1/end' },
});
const objected = request({
  id: 'objected',
  right: 'objection',
  state: 'refused',
  outcome: 'refused',
  about: ['Showing you what others liked'],
  holds: { since: at, endUrl: '/account/data/requests/2/end', endsAt: later },
});
const choice = (value: string, label: string, chosen = false) => ({ value, label, chosen });
const LAWS = ['gdpr', 'uk_gdpr', 'fadp', 'ccpa', 'us_state', 'pipeda', 'lgpd', 'strictest'];
const RECEIPTS = ['waiting', 'accepted', 'confirmed', 'kept', 'received', 'refused', 'unreachable'] as const;

type Samples = {
  readonly [Name in keyof RightsPages]: Readonly<Record<string, RightsPages[Name]>>;
};

/** Models for the pages about rights. */
export function rightsSamples(frame: AccountFrame): Samples {
  const rights = RIGHTS.map(right => ({
    right,
    nowUrl: '/account/data/copy',
    ...(right === 'access' && { askUrl: '/account/data/requests/ask/access' }),
  }));
  const ask = {
    ...frame,
    action: '/account/data/requests/ask/access',
    words: '',
    longest: 1_000,
    due: later,
    law: 'gdpr',
    purposes: [],
    attributes: [],
    everything: false,
  };
  const purposes = [
    { ...choice('purpose:age', 'Knowing your age', true), hint: 'So that you see what is meant for you.' },
    { ...choice('purpose:comfort', 'Fitting things to you'), hint: 'So that times and words suit you.' },
  ];
  const one = { ...frame, law: 'gdpr', source: 'GDPR Art. 12(3)', recipients: [] };
  const mandate = {
    id: '1',
    agent: 'Verbraucherzentrale der Freundinnen und Freunde der Donaudampfschifffahrtsgesellschaft e. V.',
    rights: ['access', 'erasure'] as const,
    givenAt: at,
    expiresAt: later,
  };
  const give = {
    ...frame,
    agent: '',
    rights: RIGHTS.map(right => ({ right, chosen: right === 'access' })),
    days: [1, 30, 365],
    chosenDays: 30,
  };
  return {
    'account/rights': {
      usual: {
        ...frame,
        rights,
        inForce: [held, objected],
        requests: all,
        agentsUrl: '/account/data/agents',
      },
      empty: { ...frame, rights, inForce: [], requests: [], agentsUrl: '/account/data/agents' },
      ...Object.fromEntries(
        RIGHTS_DONE.map(done => [
          `done-${done}`,
          { ...frame, done, rights: [], inForce: [], requests: [], agentsUrl: '/account/data/agents' },
        ]),
      ),
    },
    'account/rights-ask': {
      ...Object.fromEntries(RIGHTS.map(right => [right, { ...ask, right }])),
      restriction: {
        ...ask,
        right: 'restriction',
        purposes,
        attributes: [choice('attribute:birthdate', 'Date of birth', true)],
        problems: [{ word: 'right_about_missing', field: 'about' }],
      },
      objection: {
        ...ask,
        right: 'objection',
        purposes,
        problems: [{ word: 'right_not_objectable', field: 'about' }],
      },
      wrong: { ...ask, right: 'erasure', problems: [{ word: 'right_words_missing', field: 'words' }] },
      long: { ...ask, right: 'erasure', problems: [{ word: 'right_words_too_long', field: 'words' }] },
      many: { ...ask, right: 'erasure', problems: [{ word: 'rights_full', field: 'words' }] },
      ...Object.fromEntries(LAWS.map(law => [law, { ...ask, right: 'access' as const, law }])),
    },
    'account/rights-request': {
      usual: {
        ...one,
        request: request({ clock: { ...clock, extended: true } }),
        words: 'I want to know who got my address.\nAnd when.',
        extendedBecause: 'We have to ask three of our partners.',
        withdrawUrl: '/account/data/requests/1/withdraw',
      },
      held: {
        ...one,
        request: held,
        recipients: RECEIPTS.map((state, nr) => ({ app: `Shop ${nr}`, state, at })),
      },
      refused: { ...one, request: objected, answer: 'We have to keep fraud away from others.' },
      agent: {
        ...one,
        request: request({ right: 'erasure', state: 'unconfirmed', agent: 'Consumer Watch' }),
        confirmUrl: '/account/data/requests/1/confirm',
        withdrawUrl: '/account/data/requests/1/withdraw',
      },
    },
    'account/agents': {
      usual: {
        ...frame,
        giveUrl: '/account/data/agents/give',
        mandates: [
          { ...mandate, state: 'live', lastUsedAt: at, fileUrl: '/file', revokeUrl: '/revoke' },
          { ...mandate, id: '2', state: 'revoked' },
          { ...mandate, id: '3', state: 'expired' },
        ],
      },
      empty: { ...frame, giveUrl: '/account/data/agents/give', mandates: [] },
    },
    'account/agents-give': {
      usual: give,
      wrong: {
        ...give,
        problems: [
          { word: 'agent_missing', field: 'agent' },
          { word: 'agent_rights_missing', field: 'right' },
        ],
      },
      full: { ...give, problems: [{ word: 'agents_full' }] },
    },
  };
}
