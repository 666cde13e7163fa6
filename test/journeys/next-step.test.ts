import { expect, test } from '@jest/globals';
import { nextStep, type StepFacts } from '../../src/journeys/sign-in/next-step.js';

const yesNo = [undefined, false, true];
const every: readonly StepFacts[] = ['login', 'create', 'select_account', 'consent', 'question'].flatMap(
  prompt =>
    ([undefined, 'sign-in', 'sign-up', 'recovery'] as const).flatMap(way =>
      [undefined, '', 'ada@example.test'].flatMap(email =>
        yesNo.flatMap(codeSent =>
          [false, true].flatMap(codesAllowed =>
            yesNo.flatMap(proved =>
              yesNo.flatMap(offering =>
                yesNo.flatMap(recovering =>
                  [undefined, 'halfway', 'renewed', 'codes', 'choice', 'app', 'passkey'].flatMap(at =>
                    (['none', 'needed', 'done'] as const).map(secondFactor => ({
                      prompt,
                      way,
                      email,
                      codeSent,
                      codesAllowed,
                      proved,
                      offering,
                      recovering,
                      secondFactor,
                      halfway: at === 'halfway',
                      renewed: at === 'renewed',
                      codesMade: at === 'codes',
                      stepUp: (['choice', 'app', 'passkey'] as const).find(each => each === at),
                    })),
                  ),
                ),
              ),
            ),
          ),
        ),
      ),
    ),
);
const login = { prompt: 'login', codesAllowed: true, secondFactor: 'none' } as const;
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
  [{ ...login, prompt: 'consent', unreviewed: true }, 'app-warning'],
  [{ ...login, prompt: 'question', offering: true, unreviewed: true }, 'question'],
  [{ ...login, prompt: 'consent', unreviewed: true, warned: true }, 'consent'],
  [{ ...login, unreviewed: true }, 'identifier'],
  [{ ...login, way: 'recovery' }, 'identifier'],
  [{ ...login, email, way: 'recovery' }, 'recovery-code'],
  [{ ...login, email, way: 'recovery', codeSent: true }, 'recovery-code'],
  [{ ...login, email, way: 'recovery', secondFactor: 'needed' }, 'recovery-code'],
  [{ ...login, email, way: 'recovery', recovering: true }, 'recovery-credential'],
  [{ ...login, email, way: 'recovery', recovering: true, secondFactor: 'needed' }, 'second-step'],
  [{ ...login, email, way: 'recovery', recovering: true, secondFactor: 'done' }, 'recovery-credential'],
  [{ ...login, email, halfway: true }, 'second-step'],
  [{ ...login, email, halfway: true, offering: true }, 'second-step'],
  [{ ...login, email, renewed: true, offering: true }, 'new-recovery-code'],
  [{ ...login, email, halfway: true, lost: 'choice' }, 'lost'],
  [
    { ...login, email, way: 'recovery', recovering: true, secondFactor: 'needed', lost: 'password' },
    'lost-password',
  ],
  [{ ...login, email, halfway: true, lost: 'new' }, 'lost-new'],
  [{ ...login, email, lost: 'stopping' }, 'stop-recovery'],
  [{ ...login, prompt: 'consent', email, lost: 'new' }, 'consent'],
  [{ ...login, email, stepUp: 'choice' }, 'second-factor'],
  [{ ...login, email, stepUp: 'app' }, 'second-factor-app'],
  [{ ...login, email, stepUp: 'passkey', offering: true }, 'second-factor-passkey'],
  [{ ...login, email, codesMade: true, offering: true }, 'recovery-codes'],
  [{ ...login, prompt: 'create', email, stepUp: 'choice' }, 'second-factor'],
  [{ ...login, prompt: 'consent', email, stepUp: 'choice', codesMade: true }, 'consent'],
  [{ ...login, email, recovering: true }, 'password'],
  [{ ...login, email, recovering: true, proved: true, way: 'sign-up' }, 'sign-up-credential'],
  [{ ...login, prompt: 'consent', email, way: 'recovery', recovering: true }, 'consent'],
  [{ ...login, email, way: 'sign-up', federated: true }, 'sign-up-code'],
  [{ ...login, email, way: 'sign-up', proved: true, federated: true }, 'federated-account'],
  [{ ...login, email, way: 'sign-in', federated: true }, 'password'],
  [{ ...login, email, organisation: true }, 'organisation'],
  [{ ...login, email, organisation: true, codeSent: true }, 'organisation'],
  [{ ...login, email, organisation: true, halfway: true }, 'second-step'],
  [{ ...login, email, way: 'sign-up', organisation: true }, 'sign-up-code'],
  [{ ...login, organisation: true }, 'identifier'],
] as const)('%j leads to %s', (facts, step) => {
  expect(nextStep(facts)).toBe(step);
});

test(`in all ${every.length} situations a step stands only where what it needs is there`, () => {
  for (const facts of every) {
    const step = nextStep(facts);
    const signingUp = facts.way === 'sign-up' || (facts.way === undefined && facts.prompt === 'create');
    const recovery = facts.way === 'recovery' && Boolean(facts.email);
    const signingIn = !signingUp && !recovery;
    const asked = ['consent', 'question'].includes(facts.prompt);
    const needs: Readonly<Record<typeof step, boolean>> = {
      'app-warning': false,
      consent: facts.prompt === 'consent',
      question: facts.prompt === 'question',
      'choose-account': facts.prompt === 'select_account' && facts.way === undefined && !facts.offering,
      'passkey-offer': facts.offering === true && !asked,
      'recovery-codes': facts.codesMade === true && !asked,
      'second-factor': facts.stepUp === 'choice' && !asked,
      'second-factor-app': facts.stepUp === 'app' && !asked,
      'second-factor-passkey': facts.stepUp === 'passkey' && !asked,
      'new-recovery-code': facts.renewed === true && !asked,
      lost: false,
      'lost-code': false,
      'lost-password': false,
      'lost-what': false,
      'lost-waiting': false,
      'lost-new': false,
      'stop-recovery': false,
      identifier: signingIn && !facts.email,
      organisation: signingIn && Boolean(facts.email) && facts.organisation === true,
      password: signingIn && Boolean(facts.email) && !(facts.codeSent && facts.codesAllowed),
      'sign-in-code': signingIn && Boolean(facts.email) && facts.codeSent === true && facts.codesAllowed,
      'sign-up-email': signingUp && !facts.email,
      'sign-up-code': signingUp && Boolean(facts.email) && facts.proved !== true,
      'sign-up-credential':
        signingUp && Boolean(facts.email) && facts.proved === true && facts.federated !== true,
      'federated-account':
        signingUp && Boolean(facts.email) && facts.proved === true && facts.federated === true,
      'recovery-code': recovery && facts.recovering !== true,
      'second-step':
        (facts.halfway === true && !asked) ||
        (recovery && facts.recovering === true && facts.secondFactor === 'needed'),
      'recovery-credential': recovery && facts.recovering === true && facts.secondFactor !== 'needed',
    };
    expect({ facts, step, stands: needs[step] }).toEqual({ facts, step, stands: true });
  }
});
