import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import {
  isSaid,
  KINDS,
  NOT_SHOWN,
  saidOf,
  TRIES,
  typesOf,
} from '../../../../src/journeys/manage/history/said.js';
import { openWords } from '../../../../src/platform/web/words.js';

const words = openWords();
const documented = [...readFileSync('docs/events.md', 'utf8').matchAll(/^\| `([a-z_.]+)` \|/gm)].map(
  match => match[1] ?? '',
);

/** What happens to an installation and not to anybody's account. */
const NOBODYS =
  /^(audit|client|resource_server|signing_key|blocklist|topic|dispatch|mail|sms|profile_schema|notice|identity_provider|federated_domain|saml|saml_key)\./;

test('every type of event that is about a person has words, or a reason why it is not shown', () => {
  const missing = documented.filter(type => !NOBODYS.test(type) && !isSaid(type) && !NOT_SHOWN.has(type));
  expect(missing).toEqual([]);
  expect([...NOT_SHOWN.keys()].filter(type => isSaid(type) || !documented.includes(type))).toEqual([]);
  for (const why of NOT_SHOWN.values()) expect(why.length).toBeGreaterThan(20);
});

test('every type that there are words for is documented, and belongs to one kind', () => {
  const said = KINDS.flatMap(kind => typesOf(kind));
  expect(said.filter(type => !documented.includes(type))).toEqual([]);
  expect(new Set(said).size).toBe(said.length);
});

test('what anybody can try from outside is told as tries, and nothing else is', () => {
  expect([...TRIES].sort()).toEqual([
    'authenticator_app.refused',
    'email_proof.denied',
    'email_proof.failed',
    'email_proof.sent',
    'limit.reached',
    'mandate.refused',
    'passkey.refused',
    'phone_proof.denied',
    'phone_proof.failed',
    'phone_proof.sent',
    'replay.refused',
    'sign_in.failed',
  ]);
});

test.each([
  ['session.authenticated', { acr: 'aal1', amr: ['pwd'] }, 'signed_in_password'],
  ['session.authenticated', { acr: 'phr', amr: ['hwk', 'user'] }, 'signed_in_passkey'],
  ['session.authenticated', { acr: 'aal1', amr: [] }, 'signed_in_code'],
  ['session.authenticated', { acr: 'aal1', amr: ['fed'] }, 'signed_in_provider'],
  ['session.authenticated', {}, 'signed_in_code'],
  ['session.ended', { reason: 'signed-out' }, 'signed_out'],
  ['session.ended', { reason: 'of the future' }, 'signed_out_elsewhere'],
  ['sign_in.failed', { by: 'password' }, 'failed_password'],
  ['sign_in.failed', { by: 'constructor' }, 'failed'],
  ['email_proof.sent', { purpose: 'recovery' }, 'code_sent_recovery'],
  ['email_proof.sent', { purpose: '__proto__' }, 'code_sent'],
  ['of_the_future.happened', {}, 'something'],
])('%s with %j is told as %s', (type, detail, word) => {
  expect(saidOf({ type, detail }).word).toBe(word);
  for (const language of words.languages) {
    expect(words.translator(language)(`history.did.${word}`)).not.toContain('history.did');
  }
});
