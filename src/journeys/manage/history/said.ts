import type { PastEvent } from '../../../platform/storage/events.js';

/** The kinds of action that a history is filtered by, as `history.kind.<kind>` in the locales. */
export const KINDS = ['sign_ins', 'tries', 'changes', 'safety', 'apps', 'staff'] as const;

/** A kind of action. */
export type Kind = (typeof KINDS)[number];

/** How one event of a person's account is told. */
export interface Said {
  readonly kind: Kind;
  /** The sentence, `history.did.<word>` in the locales. */
  readonly word: string;
  /** Nobody got in and nothing was changed by it: an objection has nothing to freeze. */
  readonly harmless: boolean;
}

type Word = string | ((detail: PastEvent['detail']) => string);

const said = (kind: Kind, harmless: boolean, words: Readonly<Record<string, Word>>) =>
  Object.entries(words).map(([type, word]) => [type, { kind, harmless, word }] as const);

const chosen =
  (member: string, words: Readonly<Record<string, string>>, other: string): Word =>
  detail =>
    Object.hasOwn(words, String(detail[member])) ? String(words[String(detail[member])]) : other;

const signedIn: Word = ({ acr, amr }) => {
  if (acr === 'phr') return 'signed_in_passkey';
  if (acr === 'aal2') return 'signed_in_two_steps';
  if (Array.isArray(amr) && amr.includes('fed')) return 'signed_in_provider';
  return Array.isArray(amr) && amr.includes('pwd') ? 'signed_in_password' : 'signed_in_code';
};

const signedOut = chosen(
  'reason',
  {
    'signed-out': 'signed_out',
    'account-changed': 'signed_out_changed',
    'account-frozen': 'signed_out_frozen',
    operator: 'signed_out_operator',
  },
  'signed_out_elsewhere',
);

const codeSent = chosen(
  'purpose',
  { 'sign-in': 'code_sent_sign_in', recovery: 'code_sent_recovery', 'sign-up': 'code_sent_sign_up' },
  'code_sent',
);

const notSignedIn = chosen(
  'by',
  {
    password: 'failed_password',
    code: 'failed_code',
    passkey: 'failed_passkey',
    second_step: 'failed_second_step',
    provider: 'failed_provider',
  },
  'failed',
);

const inspected = chosen(
  'purpose',
  {
    support: 'inspected_support',
    correction: 'inspected_correction',
    security: 'inspected_security',
    fraud: 'inspected_fraud',
    legal: 'inspected_legal',
  },
  'inspected',
);

/** The word for what this version has no words for. */
const SOMETHING = 'something';

const WORDS: ReadonlyMap<string, { readonly kind: Kind; readonly harmless: boolean; readonly word: Word }> =
  new Map([
    ...said('sign_ins', false, {
      'session.authenticated': signedIn,
      'recovery_code.used': 'recovery_code_used',
      'email_proof.proved': chosen('purpose', { recovery: 'code_right_recovery' }, 'code_right'),
    }),
    ...said('sign_ins', true, { 'session.ended': signedOut }),
    ...said('tries', true, {
      'sign_in.failed': notSignedIn,
      'limit.reached': 'limit_reached',
      'email_proof.sent': codeSent,
      'email_proof.failed': 'code_wrong',
      'email_proof.denied': 'code_denied',
      'phone_proof.sent': 'code_sent_phone',
      'phone_proof.failed': 'code_wrong_phone',
      'phone_proof.denied': 'code_denied',
      'passkey.refused': chosen('reason', { suspended: 'passkey_refused_suspended' }, 'passkey_refused'),
      'authenticator_app.refused': 'app_refused',
      'replay.refused': 'used_again',
      'mandate.refused': 'mandate_refused',
    }),
    ...said('changes', false, {
      'account.opened': 'account_opened',
      'profile.changed': 'profile_changed',
      'profile.change_asked': 'profile_change_asked',
      'correction.asked': 'correction_asked',
      'right.asked': 'right_asked',
      'right.confirmed': 'right_confirmed',
      'restriction.begun': 'restriction_begun',
      'restriction.ended': 'restriction_ended',
      'mandate.given': 'mandate_given',
      'profile.change_approved': 'profile_change_approved',
      'profile.change_undone': 'profile_change_undone',
      'email_address.added': 'email_added',
      'email_address.made_primary': 'email_made_primary',
      'email_address.removed': 'email_removed',
      'phone_number.added': 'phone_added',
      'phone_number.made_primary': 'phone_made_primary',
      'phone_number.removed': 'phone_removed',
      'contact_change.undone': 'contacts_undone',
      'federated_link.added': 'provider_added',
      'federated_link.removed': 'provider_removed',
      'password.set': 'password_set',
      'password.changed': 'password_changed',
      'password.removed': 'password_removed',
      'passkey.added': 'passkey_added_to',
      'passkey.removed': 'passkey_removed',
      'authenticator_app.added': 'app_added',
      'authenticator_app.removed': 'app_removed',
      'authenticator_app.suspended': 'app_suspended',
      'passkey.suspended': 'passkey_suspended',
      'recovery_codes.made': 'recovery_codes_made',
      'recovery_codes.removed': 'recovery_codes_removed',
      'second_step.begun': 'second_step_begun',
      'second_step.ended': 'second_step_ended',
      'browser.remembered': 'browser_remembered',
      'move.started': 'move_started',
      'move.claimed': 'move_claimed',
      'move.confirmed': 'move_confirmed',
      'export.asked': 'copy_asked',
      'export.fetched': 'copy_fetched',
      'move.retired': ({ passkeys, apps, sessions, browsers }) =>
        [passkeys, apps, sessions, browsers].some(Boolean) ? 'move_retired' : 'move_kept',
    }),
    ...said('changes', true, {
      'browser.forgotten': 'browser_forgotten',
      'move.refused': chosen(
        'reason',
        { new_phone: 'move_left', wrong_number: 'move_wrong_number' },
        'move_refused',
      ),
      'move.tested': 'move_tested',
      'move.cancelled': chosen('reason', { begun_anew: 'move_begun_anew' }, 'move_cancelled'),
      'move.expired': 'move_expired',
      'export.ready': 'copy_ready',
      'export.cancelled': 'copy_cancelled',
      'export.stopped': 'copy_stopped',
      'export.failed': 'copy_failed',
      'export.removed': 'copy_removed',
      'export.expired': 'copy_expired',
      'role.given': 'role_given',
      'role.taken': 'role_taken',
      'profile.change_blocked': 'profile_change_blocked',
      'profile.change_refused': 'profile_change_refused',
      'profile.change_withdrawn': 'profile_change_withdrawn',
      'profile.expired': chosen(
        'reason',
        { not_held: 'profile_not_held', taken_back: 'profile_taken_back' },
        'profile_expired',
      ),
      'question.answered': 'question_answered',
      'question.skipped': 'question_skipped',
      'terms.accepted': 'terms_accepted',
      'account.language_changed': 'language_changed',
      'correction.settled': 'correction_settled',
      'correction.withdrawn': 'correction_withdrawn',
      'right.withdrawn': 'right_withdrawn',
      'mandate.revoked': 'mandate_revoked',
      'passkey.renamed': 'passkey_renamed',
      'authenticator_app.renamed': 'app_renamed',
      'authenticator_app.restored': 'app_restored',
      'passkey.restored': 'passkey_restored',
      'sale.opted_out': chosen('by', { signal: 'sale_opted_out_signal' }, 'sale_opted_out'),
      'sale.opted_in': 'sale_opted_in',
      'opt_in.given': 'opted_in',
      'opt_in.withdrawn': 'opted_out',
      'opt_in.restored': 'opted_in_again',
    }),
    ...said('safety', false, {
      'account.recovered': 'recovered',
      'deletion.asked': 'deletion_asked',
      'recovery.begun': 'recovery_begun',
      'recovery.completed': 'recovery_completed',
      'grant.reuse_detected': 'access_copied',
    }),
    ...said('safety', true, {
      'account.frozen': 'frozen',
      'deletion.undone': 'deletion_undone',
      'account.suspended': 'suspended',
      'account.reactivated': 'reactivated',
      'account.closed': 'closed',
      'account.archived': 'archived',
      'dormancy.noticed': 'dormancy_noticed',
      'dormancy.stopped': 'dormancy_stopped',
      'objection.used': 'objected',
      'merge.made': 'merge_made',
      'merge.left': 'merge_left',
      'merge.undone': 'merge_undone',
      'merge.returned': 'merge_returned',
      'merge.finished': 'merge_finished',
      'recovery.reminded': 'recovery_reminded',
      'recovery.stopped': 'recovery_stopped',
      'recovery.expired': 'recovery_expired',
      'recovery.undone': 'recovery_undone',
      'recovery.settled': 'recovery_settled',
    }),
    ...said('staff', true, {
      'account.inspected': inspected,
      'federated_tokens.read': 'provider_tokens_read',
      'right.extended': 'right_extended',
      'right.decided': 'right_decided',
      'restriction.ends': 'restriction_ends',
    }),
    ...said('apps', false, {
      'consent.given': 'consent_given',
      'device.allowed': 'device_allowed',
      'app.entered': 'app_entered',
    }),
    ...said('apps', true, {
      'consent.refused': 'consent_refused',
      'receipt.issued': 'receipt_issued',
      'consent.changed': 'consent_changed',
      'consent.withdrawn': 'consent_withdrawn',
      'consent.expired': 'consent_expired',
      'consent.outdated': 'consent_outdated',
      'consent.asked_again': 'consent_asked_again',
      'device.denied': 'device_denied',
      'logout.undelivered': 'app_not_told',
      'command.sent': chosen(
        'command',
        {
          invalidate: 'app_told_over',
          maintain: 'app_told_correction',
          suspend: 'app_told_restricted',
          reactivate: 'app_told_reactivated',
        },
        'app_told',
      ),
      'command.answered': chosen(
        'state',
        { confirmed: 'app_confirmed', kept: 'app_kept', refused: 'app_refused_it' },
        'app_took_it',
      ),
      'command.unreachable': 'app_unreachable',
    }),
  ]);

/** What is on record about an account and not shown to its person, and why. */
export const NOT_SHOWN: ReadonlyMap<string, string> = new Map([
  ['move.bound', 'the passkey or the app that was added by it is shown'],
  ['authenticator_app.used', 'the sign-in that it led to is shown'],
  ['federated_link.used', 'the sign-in that it led to is shown'],
  ['federated_session.ended', 'the sessions that it ended are shown'],
  ['passkey.used', 'the sign-in that it led to is shown, or the try that led nowhere'],
  ['password.rehashed', 'how a password is kept is not what a person did'],
  ['objection.begun', 'the change that its owner was told of is shown'],
  ['email_proof.ended', 'why a code ended is shown by what ended it'],
  ['phone_proof.ended', 'why a code ended is shown by what ended it'],
  ['phone_proof.proved', 'the number that was added by it is shown'],
  ['right.due', 'it reminds those who have to answer; the answer is shown'],
  ['mandate.used', 'what was asked by it is shown'],
  ['command.begun_anew', 'what the app answers then is shown'],
  ['command.given_up', 'that the app could not be reached, or did not do it, is shown'],
  ['command.refused_callback', 'nothing came of it, and whoever it was had no hold on the account'],
  ['message.withheld', 'a message that never was belongs to the messages'],
  ['subject_key.destroyed', 'whose key is destroyed has no history any more'],
  ['deletion.begun', 'nobody is in an account that is closed'],
  ['deletion.told', 'nobody is in an account that is closed'],
  ['deletion.removed', 'whose account is removed has no history any more'],
  ['deletion.finished', 'the statement says so, and the account is gone'],
  ['deletion.audited', 'the statement says so, and the account is gone'],
  ['deletion.settled', 'the statement says so, and the account is gone'],
  ['account.removed', 'whose account is removed has no history any more'],
]);

/** What anybody can do to an account without getting in: folded in a list, so that strangers never fill it. */
export const TRIES = typesOf('tries');

/** The types of events that are of a kind. */
export function typesOf(kind: Kind): readonly string[] {
  return [...WORDS].filter(([, told]) => told.kind === kind).map(([type]) => type);
}

/** How an event is told; one of a type that this version has no words for is something that happened. */
export function saidOf({ type, detail }: Pick<PastEvent, 'type' | 'detail'>): Said {
  const told = WORDS.get(type);
  if (!told) return { kind: 'changes', word: SOMETHING, harmless: false };
  const { kind, harmless, word } = told;
  return { kind, harmless, word: typeof word === 'string' ? word : word(detail) };
}

/** Whether there are words for events of a type. */
export function isSaid(type: string): boolean {
  return WORDS.has(type);
}
