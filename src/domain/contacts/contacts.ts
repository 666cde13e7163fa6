export {
  addProvedContact,
  addVerifiedEmail,
  type Changed,
  type ContactRequest,
  makePrimary,
  removeContact,
} from './addresses.js';
export {
  type FoundChange,
  findChange,
  findChangeByLink,
  listOpenChanges,
  type Undone,
  undoByLink,
  undoChange,
  undoChangesSince,
} from './changes.js';
export {
  type ChangeWhat,
  type Contact,
  type ContactChange,
  type ContactKind,
  type EmailAddress,
  keptBecause,
  type LinkedProof,
  MOST_CONTACTS,
  PROOF_MINUTES,
  PROOF_TRIES,
  type ProofEnd,
  type ProofOutcome,
  type ProofPurpose,
  primaryOf,
  type ReadPhone,
  readPhone,
  UNDO_DAYS,
} from './contact.js';
export { exportContacts } from './exported.js';
export { sweepContactChanges, sweepProofs } from './jobs.js';
export { type ContactsBefore, contactsToMove, giveBackContacts, takeOverContacts } from './merging.js';
export {
  type BegunProof,
  beginProof,
  denyProof,
  endProofs,
  findProofByLink,
  findProofOf,
  type ProofRequest,
  proveByLink,
  spendProof,
  tryCode,
} from './proofs.js';
export { forgetContacts, listContacts, listEmails, listNoticeEmails } from './store.js';

/** What this room records; a fact names the proof, the change and the account, never the address. */
export const CONTACT_FACTS = [
  'email_proof.sent',
  'email_proof.proved',
  'email_proof.failed',
  'email_proof.ended',
  'email_proof.denied',
  'phone_proof.sent',
  'phone_proof.proved',
  'phone_proof.failed',
  'phone_proof.ended',
  'phone_proof.denied',
  'email_address.added',
  'email_address.made_primary',
  'email_address.removed',
  'phone_number.added',
  'phone_number.made_primary',
  'phone_number.removed',
  'contact_change.undone',
] as const;
