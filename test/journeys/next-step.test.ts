import { expect, test } from '@jest/globals';
import { nextStep, type StepFacts } from '../../src/journeys/sign-in/next-step.js';

const yesNo = [undefined, false, true];
const every: readonly StepFacts[] = ['login', 'create', 'select_account', 'consent'].flatMap(prompt =>
  ([undefined, 'sign-in', 'sign-up'] as const).flatMap(way =>
    [undefined, '', 'ada@example.test'].flatMap(email =>
      yesNo.flatMap(codeSent =>
        [false, true].flatMap(codesAllowed =>
          yesNo.flatMap(proved =>
            yesNo.map(offering => ({ prompt, way, email, codeSent, codesAllowed, proved, offering })),
          ),
        ),
      ),
    ),
  ),
);
const login = { prompt: 'login', codesAllowed: true };
const email = 'ada@example.test';

test.each([
  [{ ...login }, 'identifier'],
  [{ ...login, prompt: 'create' }, 'sign-up-email'],
  [{ ...login, prompt: 'select_account' }, 'choose-account'],
  [{ ...login, prompt: 'select_account', email }, 'choose-account'],
  [{ ...login, prompt: 'select_account', way: 'sign-in' }, 'identifier'],
  [{ ...login, prompt: 'select_account', way: 'sign-up' }, 'sign-up-email'],
  [{ ...login, prompt: 'select_account', offering: true }, 'passkey-offer'],
  [{ ...login, prompt: 'create', way: 'sign-in' }, 'identifier'],
  [{ ...login, way: 'sign-up' }, 'sign-up-email'],
  [{ ...login, email }, 'password'],
  [{ ...login, email, codeSent: true }, 'sign-in-code'],
  [{ ...login, email, codeSent: true, codesAllowed: false }, 'password'],
  [{ ...login, email, way: 'sign-up' }, 'sign-up-code'],
  [{ ...login, email, way: 'sign-up', codesAllowed: false }, 'sign-up-code'],
  [{ ...login, email, way: 'sign-up', proved: true }, 'sign-up-credential'],
  [{ ...login, way: 'sign-up', proved: true }, 'sign-up-email'],
  [{ ...login, email, proved: true }, 'password'],
  [{ ...login, email, offering: true }, 'passkey-offer'],
  [{ ...login, prompt: 'consent', offering: true }, 'consent'],
] as const)('%j leads to %s', (facts, step) => {
  expect(nextStep(facts)).toBe(step);
});

test(`in all ${every.length} situations a step stands only where what it needs is there`, () => {
  for (const facts of every) {
    const step = nextStep(facts);
    const signingUp = facts.way === 'sign-up' || (facts.way === undefined && facts.prompt === 'create');
    const needs: Readonly<Record<typeof step, boolean>> = {
      consent: facts.prompt === 'consent',
      'choose-account': facts.prompt === 'select_account' && facts.way === undefined && !facts.offering,
      'passkey-offer': facts.offering === true && facts.prompt !== 'consent',
      identifier: !signingUp && !facts.email,
      password: !signingUp && Boolean(facts.email) && !(facts.codeSent && facts.codesAllowed),
      'sign-in-code': !signingUp && Boolean(facts.email) && facts.codeSent === true && facts.codesAllowed,
      'sign-up-email': signingUp && !facts.email,
      'sign-up-code': signingUp && Boolean(facts.email) && facts.proved !== true,
      'sign-up-credential': signingUp && Boolean(facts.email) && facts.proved === true,
    };
    expect({ facts, step, stands: needs[step] }).toEqual({ facts, step, stands: true });
  }
});
