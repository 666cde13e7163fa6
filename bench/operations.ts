import { API } from './seed.js';
import {
  asClient,
  comeBack,
  keepTokens,
  send,
  signIn,
  signInAnew,
  type Target,
  type Visitor,
} from './visitor.js';

/** Something that is measured. */
export interface Operation {
  readonly name: string;
  /** Needs somebody who is signed in and holds tokens. */
  readonly asMember: boolean;
  /** Statements, log and rows are counted: the operation writes. */
  readonly writes: boolean;
  /** Which share of the bare engine's rate, and how many times the naive adapter's, is to be reached; `wanted` would be fine. */
  readonly goals: { readonly bare: number; readonly wanted?: number; readonly naive?: number };
  run(target: Target, visitor: Visitor): Promise<unknown>;
}

const member = { asMember: true, writes: true } as const;
const nobody = { asMember: false, writes: false } as const;

export const LOGIN = 'login (PKCE, no hash)';
export const CC_JWT = 'client credentials, JWT';

/** Every operation but sign-ins with a hash. */
export const OPERATIONS: readonly Operation[] = [
  {
    name: LOGIN,
    ...member,
    goals: { bare: 0.5, wanted: 0.65, naive: 1.7 },
    run: signIn,
  },
  { name: 'the same in a new browser', ...member, goals: { bare: 0 }, run: signInAnew },
  { name: 'SSO + token (2 requests)', ...member, goals: { bare: 0.5 }, run: comeBack },
  {
    name: 'refresh with rotation',
    ...member,
    goals: { bare: 0.5, wanted: 0.7, naive: 1.7 },
    run: async (target, visitor) => {
      const form = { grant_type: 'refresh_token', refresh_token: visitor.refresh };
      keepTokens(
        visitor,
        await send(target, { path: '/token', form, authorization: asClient(target), expected: 200 }),
      );
    },
  },
  {
    name: 'userinfo',
    asMember: true,
    writes: false,
    goals: { bare: 0.5, naive: 2.3 },
    run: (target, { access }) =>
      send(target, { path: '/userinfo', authorization: `Bearer ${access}`, expected: 200 }),
  },
  {
    name: 'introspection',
    asMember: true,
    writes: false,
    goals: { bare: 0.5, naive: 2.3 },
    run: async (target, { access }) => {
      const asked = { path: '/introspect', form: { token: access }, authorization: asClient(target) };
      const { text } = await send(target, { ...asked, expected: 200 });
      if (!text.includes('"active":true')) throw new Error(`introspection says ${text}`);
    },
  },
  {
    name: 'client credentials, opaque',
    ...nobody,
    writes: true,
    goals: { bare: 0.5 },
    run: target =>
      send(target, {
        path: '/token',
        form: { grant_type: 'client_credentials' },
        authorization: asClient(target),
        expected: 200,
      }),
  },
  {
    name: CC_JWT,
    ...nobody,
    goals: { bare: 0.5, wanted: 0.9 },
    run: target =>
      send(target, {
        path: '/token',
        form: { grant_type: 'client_credentials', resource: API, scope: 'things:read' },
        authorization: asClient(target),
        expected: 200,
      }),
  },
  {
    name: 'discovery',
    ...nobody,
    goals: { bare: 0.5 },
    run: target => send(target, { path: '/.well-known/openid-configuration', expected: 200 }),
  },
];

/** A whole sign-in with its password hash. */
export const signInWith = (scheme: 'bcrypt' | 'argon2id'): Operation => ({
  name: `password sign-in, ${scheme === 'bcrypt' ? 'bcrypt 10' : scheme}`,
  asMember: false,
  writes: false,
  goals: { bare: 0.5 },
  run: signIn,
});
