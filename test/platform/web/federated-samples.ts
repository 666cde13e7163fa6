import type { PageModels } from '../../../src/journeys/page-models.js';

type Names = keyof PageModels & `federated/${string}`;
type Samples = { readonly [Name in Names]: Readonly<Record<string, PageModels[Name]>> };

const uid = 'Zx8Qn3RkT1vWb2Yd';
const app = { name: 'Photo Album' };
const long = 'Donaudampfschifffahrtsgesellschaft im Ruhestand e. V.';
const terms = { version: '2026-01', url: '/terms' };
const google = { id: 'google', name: 'Google', resting: false };

/** Providers as a page may offer them: one that can be pressed, one with a long name, one that rests. */
export const someProviders = [
  google,
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
        providers: [{ ...google, resting: true }],
      },
      refused: { uid, app, provider: 'Google', word: 'refused', otherUrl: '/x', providers: [google] },
      untrue: { uid, app, provider: long, word: 'untrue', otherUrl: '/x', providers: someProviders },
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
    },
  };
}
