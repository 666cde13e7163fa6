import type { PageModels } from '../../../src/journeys/page-models.js';

type Names = keyof PageModels & `federated/${string}`;
type Samples = { readonly [Name in Names]: Readonly<Record<string, PageModels[Name]>> };

const uid = 'Zx8Qn3RkT1vWb2Yd';
const app = { name: 'Photo Album' };
const long = 'Donaudampfschifffahrtsgesellschaft im Ruhestand e. V.';
const terms = { version: '2026-01', url: '/terms' };
const google = { id: 'google', name: 'Google', resting: false, mark: '/assets/provider-google.svg' };
const apple = { id: 'apple', name: 'Apple', resting: false, mark: '/assets/provider-apple.svg' };

const acme = { id: 'acme', name: 'Acme', byPassword: true };
const verein = { id: 'verein', name: long, byPassword: false };

/** Providers as a page may offer them: one that can be pressed, one with a long name, one that rests. */
export const someProviders = [
  google,
  apple,
  { id: 'verein', name: long, resting: false },
  { id: 'acme', name: 'Acme', resting: true },
];

/** Models for the pages of whoever brings an identity. */
export function federatedSamples(): Samples {
  const account = {
    uid,
    app,
    provider: 'Google',
    email: 'ada@example.test',
    terms,
    signInUrl: '/x',
    taken: [],
  };
  return {
    'federated/organisation': {
      usual: { uid, app, email: 'ada@acme.test', domain: 'acme.test', provider: acme, around: true },
      there: { uid, app, email: 'ada@verein.test', domain: 'verein.test', provider: verein, around: false },
      wrong: {
        uid,
        app,
        email: `${'lovelace.'.repeat(7)}ada@verein.test`,
        domain: 'verein.test',
        provider: { ...verein, byPassword: true },
        around: false,
        problems: [{ word: 'organisation_wrong', field: 'password', vars: { name: long } }],
      },
      away: {
        uid,
        app,
        email: 'ada@acme.test',
        domain: 'acme.test',
        provider: acme,
        around: true,
        problems: [{ word: 'organisation_unreachable', vars: { name: 'Acme' } }],
      },
    },
    'federated/trial': {
      usual: { provider: 'Google', disabled: false, byPassword: false },
      disabled: { provider: long, disabled: true, byPassword: true },
    },
    'federated/trial-leaving': {
      link: { provider: 'Google', to: 'https://accounts.example/authorize' },
      form: {
        provider: long,
        to: 'https://idp.example/sso',
        fields: [{ name: 'SAMLRequest', value: 'PHNhbWw=' }],
      },
    },
    'federated/trial-outcome': {
      usual: {
        subject: '10769150350006150715113082367',
        email: { address: 'ada@example.test', proved: true, counts: true },
        strength: { told: 'https://refeds.org/profile/mfa', counts: 'aal2' },
        attributes: [
          { attribute: 'given_name', from: 'given_name', value: 'Ada' },
          { attribute: 'family_name', from: 'family_name' },
          { attribute: 'shoe', from: 'shoe', value: '44', left: 'unknown' },
          { attribute: 'birthdate', from: 'born', value: 'long ago', left: 'unreadable' },
        ],
        claims: JSON.stringify(
          { sub: '10769150350006150715113082367', given_name: 'Ada', hd: 'example.test' },
          null,
          2,
        ),
      },
      foreign: {
        subject: `${'long-subject-'.repeat(19)}x`,
        email: { address: 'ada@elsewhere.test', proved: true, counts: false },
        strength: { counts: 'phr' },
        attributes: [],
        claims: JSON.stringify({ groups: long.repeat(9) }, null, 2),
      },
      bare: { subject: '1', strength: { counts: 'aal1' }, attributes: [], claims: '{}' },
      unproved: {
        subject: '1',
        email: { address: 'ada@example.test', proved: false, counts: false },
        strength: { counts: 'aal1' },
        attributes: [],
        claims: '{}',
      },
      unreachable: {
        trouble: 'unreachable',
        reason: 'no_answer',
        detail: 'getaddrinfo ENOTFOUND accounts.example',
      },
      refused: { trouble: 'refused', reason: 'access_denied' },
      untrue: {
        trouble: 'untrue',
        reason: 'jwt_claim_comparison',
        detail: 'unexpected "iss" (issuer) claim value',
      },
      changed: { trouble: 'changed', reason: 'provider_unavailable' },
    },
    'federated/account': {
      usual: { ...account, name: 'Ada Lovelace' },
      problem: {
        ...account,
        provider: long,
        taken: [{ label: 'Nickname', value: 'ada' }],
        problems: [{ word: 'terms_missing', field: 'terms' }],
      },
    },
    'federated/trouble': {
      unreachable: {
        uid,
        app,
        provider: 'Google',
        word: 'unreachable',
        otherUrl: '/x',
        providers: someProviders.slice(1, 2),
      },
      refused: { uid, app, provider: 'Google', word: 'refused', otherUrl: '/x', providers: [google] },
      untrue: { uid, app, provider: long, word: 'untrue', otherUrl: '/x', providers: someProviders },
      stale: { uid, app, provider: 'Google', word: 'stale', otherUrl: '/x', providers: [google] },
      over: { uid, app, provider: '', word: 'over', otherUrl: '/x' },
      unavailable: { uid, app, provider: 'Acme', word: 'unavailable', otherUrl: '/x' },
    },
    'federated/leaving': {
      usual: {
        uid,
        app,
        provider: 'Google',
        to: 'https://accounts.example/authorize',
        host: 'accounts.example',
      },
      posting: {
        provider: 'Acme',
        to: 'https://login.acme.example/sso',
        host: 'login.acme.example',
        fields: [{ name: 'SAMLRequest', value: 'PHNhbWxwOkF1dGhuUmVxdWVzdD4' }],
      },
    },
  };
}
