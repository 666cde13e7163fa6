import { z } from 'zod';
import { PROOF_MINUTES } from '../../../domain/contacts/contacts.js';
import type { Told } from '../../../domain/disclosures/disclosures.js';
import { Refusal } from '../../../platform/errors.js';
import { type ApiOperation, operation } from '../api.js';
import { tellsNothing, toldOf } from '../topics.js';
import { listMyChanges, makeMain, removeMine, undoMine } from './changes.js';
import { getMine, listMine, throughApp } from './mine.js';
import { beginContact, type NotBegun, type Proved, proveContact } from './proofs.js';

const READ = 'account:contacts:read';
const WRITE = 'account:contacts:write';
const kind = z.enum(['email', 'phone']);
const moment = z.iso.datetime();

const contact = z.strictObject({
  id: z.string(),
  kind,
  address: z.string().describe('An e-mail address, or a phone number in E.164'),
  primary: z.boolean(),
  verified: z.boolean(),
  added_at: moment,
});

const change = z.strictObject({
  id: z.uuid(),
  kind,
  what: z.enum(['added', 'primary', 'removed']),
  address: z.string(),
  made_at: moment,
  undo_until: moment,
});

interface ContactsTold {
  readonly contacts: readonly z.output<typeof contact>[];
  readonly changes: readonly z.output<typeof change>[];
}

/* The main ones are what apps are told as claims; the others, and those from before, are not. */
function told({ contacts, changes }: ContactsTold): Told {
  const main = (kind: string) => contacts.find(one => one.kind === kind && one.primary);
  const [email, phone] = [main('email'), main('phone')];
  const others = contacts.filter(one => !one.primary).map(({ address, verified }) => [address, verified]);
  return {
    ...(email && { email: email.address, email_verified: email.verified }),
    ...(phone && { phone_number: phone.address, phone_number_verified: phone.verified }),
    ...toldOf({
      'account:contacts': others,
      'account:contact_changes': changes.map(({ what, address }) => [what, address]),
    }),
  };
}

/** The addresses and numbers of whoever the token is for. */
export const CONTACT_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: '/api/me/contacts',
    scope: READ,
    summary: 'The e-mail addresses and phone numbers, and the changes that can be undone.',
    answer: z.strictObject({ contacts: z.array(contact), changes: z.array(change) }),
    tells: told,
    run: async call => {
      const asker = await throughApp(call);
      const [mine, changes] = await Promise.all([listMine(asker), listMyChanges(asker)]);
      return {
        contacts: mine.map(({ id, kind, address, isPrimary, verifiedAt, addedAt }) => ({
          id,
          kind,
          address,
          primary: isPrimary,
          verified: verifiedAt !== undefined,
          added_at: addedAt.toISOString(),
        })),
        changes: changes.map(({ id, kind, what, address, madeAt, undoUntil }) => {
          const [made_at, undo_until] = [madeAt.toISOString(), undoUntil.toISOString()];
          return { id, kind, what, address, made_at, undo_until };
        }),
      };
    },
  }),
  operation({
    method: 'POST',
    path: '/api/me/contacts',
    scope: WRITE,
    sensitive: true,
    summary: 'Sends a code to an address; it counts once the code has been given back.',
    input: z.strictObject({ kind, address: z.string().max(300) }),
    status: 202,
    answer: z.strictObject({ proof: z.uuid(), expires_in: z.int() }),
    tells: tellsNothing,
    run: async call => {
      const begun = await beginContact(await throughApp(call), call.input.kind, call.input.address);
      if (begun.outcome === 'problem') throw notBegun(begun.word);
      return { proof: begun.proof, expires_in: PROOF_MINUTES * 60 };
    },
  }),
  operation({
    method: 'POST',
    path: '/api/me/contacts/proofs/:proof',
    scope: WRITE,
    summary: 'Gives a code back, by the app that asked for it; its address counts from then on.',
    input: z.strictObject({ code: z.string().max(64) }),
    run: async call => {
      const { proof = '' } = call.params;
      const proved = await proveContact(await throughApp(call), proof, call.input.code);
      if (proved.outcome !== 'added') throw notProved(proved);
    },
  }),
  operation({
    method: 'POST',
    path: '/api/me/contacts/changes/:change/undo',
    scope: WRITE,
    sensitive: true,
    summary: 'Undoes a change and all that was changed after it.',
    run: async call => {
      const { change: id = '' } = call.params;
      const undone = await undoMine(await throughApp(call), id);
      if (undone.outcome !== 'undone') {
        throw new Refusal('missing', 'no_such_change', 'There is nothing of that kind to be undone.');
      }
    },
  }),
  operation({
    method: 'POST',
    path: '/api/me/contacts/:id/primary',
    scope: WRITE,
    sensitive: true,
    summary: 'Makes a confirmed address the main one, which apps are told.',
    run: async call => {
      const asker = await throughApp(call);
      await makeMain(asker, await getMine(asker, call.params['id']));
    },
  }),
  operation({
    method: 'DELETE',
    path: '/api/me/contacts/:id',
    scope: WRITE,
    sensitive: true,
    summary: 'Removes an address, unless it is the last one at which its owner can be reached.',
    run: async call => {
      const asker = await throughApp(call);
      await removeMine(asker, await getMine(asker, call.params['id']));
    },
  }),
];

const NOT_BEGUN: Readonly<Record<NotBegun, string>> = {
  email_missing: 'An e-mail address is needed.',
  email_invalid: 'This is no e-mail address.',
  phone_missing: 'A phone number is needed.',
  phone_invalid: 'This is no phone number in international form, such as +4915112345678.',
  phone_country: 'No text messages are sent to this country.',
  phone_off: 'No text messages are sent here.',
  contact_known: 'This address is confirmed already.',
  contacts_full: 'There is no room for another one. Remove one first.',
};

function notBegun(word: NotBegun): Refusal {
  const conflict = word === 'contact_known' || word === 'contacts_full';
  return new Refusal(conflict ? 'conflict' : 'invalid', word, NOT_BEGUN[word]);
}

function notProved(proved: Exclude<Proved, { outcome: 'added' }>): Refusal {
  if (proved.outcome === 'taken') {
    return new Refusal('conflict', 'address_taken', 'This address belongs to another account.');
  }
  if (proved.outcome === 'wrong') {
    return new Refusal('invalid', 'wrong_code', `The code is not right; tries left: ${proved.triesLeft}.`);
  }
  return new Refusal('conflict', 'code_ended', 'This code cannot be used (any more). Ask for a new one.');
}
