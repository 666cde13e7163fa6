import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { digest, randomToken } from '../../platform/crypto/tokens.js';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import {
  codeOfLink,
  type LinkedProof,
  PROOF_TRIES,
  type ProofOutcome,
  type ProofPurpose,
  tidyCode,
} from './contact.js';
import * as store from './proof-store.js';

/** What a proof is begun with. */
export interface ProofRequest {
  readonly purpose: ProofPurpose;
  /** Normalised by the accounts room. */
  readonly address: string;
  readonly accountId?: string | undefined;
  /** The pending request, or the session and browser, that begins: only there it can be finished. */
  readonly binding: string;
  /** The kind of browser and the address it asks from, as the link's page will show it. */
  readonly askedFrom: string;
  readonly locale: string;
  /** Nothing will match, and everything answers as if something could. */
  readonly decoy: boolean;
}

/** What the mail carries. */
export interface BegunProof {
  readonly id: string;
  readonly code: string;
  readonly linkToken: string;
}

/** Begins to prove that somebody reads mail at an address; the earlier proof of this browser and purpose ends. */
export async function beginProof(work: Work, keyring: Keyring, asked: ProofRequest): Promise<BegunProof> {
  const { binding, purpose, accountId, decoy } = asked;
  const id = uuidv7();
  const linkToken = randomToken();
  const code = codeOfLink(linkToken);
  const replaced = await store.insertProof(work.tx, {
    ...asked,
    id,
    accountId,
    codeDigest: decoy ? randomBytes(32) : digestOfCode(keyring, purpose, binding, code),
    linkDigest: decoy ? randomBytes(32) : digest(linkToken),
  });
  if (replaced) {
    const detail = { proof: replaced.id, reason: 'replaced' };
    work.record({ type: factOf(purpose).ended, ...who(replaced.accountId), detail });
  }
  work.record({ type: factOf(purpose).sent, ...who(accountId), detail: { proof: id, purpose } });
  return { id, code, linkToken };
}

/** Tries a code as typed in the browser that began: once right, five times wrong, for ten minutes. */
export async function tryCode(
  work: Work,
  keyring: Keyring,
  tried: { readonly binding: string; readonly purpose: ProofPurpose; readonly code: string },
): Promise<ProofOutcome> {
  const { binding, purpose } = tried;
  const codeDigest = digestOfCode(keyring, purpose, binding, tidyCode(tried.code));
  const proof = await store.tryProofByCode(work.tx, { binding, purpose, codeDigest });
  if (!proof) return endedOutcome(await store.findProofState(work.tx, binding, purpose));
  if (proof.proved) return provedOutcome(work, proof, 'code');
  const triesLeft = PROOF_TRIES - proof.attempts;
  const subject = who(proof.accountId ?? undefined);
  work.record({ type: factOf(purpose).failed, ...subject, detail: { proof: proof.id, purpose, triesLeft } });
  if (triesLeft > 0) return { outcome: 'wrong', triesLeft };
  work.record({ type: factOf(purpose).ended, ...subject, detail: { proof: proof.id, reason: 'too-many' } });
  return { outcome: 'ended', reason: 'too-many' };
}

/** What a mailed link is about; looking does not use it up, since mail scanners look. */
export async function findProofByLink(db: Db, linkToken: string): Promise<LinkedProof | undefined> {
  const proof = await store.findProof(db, digest(linkToken));
  return proof && { ...proof, code: codeOfLink(linkToken) };
}

/** Uses a mailed link, in the browser that began and for what it was mailed for. */
export async function proveByLink(
  work: Work,
  used: { readonly linkToken: string; readonly binding: string; readonly purpose: ProofPurpose },
): Promise<Exclude<ProofOutcome, { outcome: 'wrong' }>> {
  const { binding, purpose } = used;
  const linkDigest = digest(used.linkToken);
  const proof = await store.useProofByLink(work.tx, { linkDigest, binding, purpose });
  if (proof) return provedOutcome(work, proof, 'link');
  const found = await store.findProof(work.tx, linkDigest);
  const ours = found !== undefined && found.binding === binding && found.purpose === purpose;
  return endedOutcome(ours ? found.state : undefined);
}

/** "Not me": ends the proof of a mailed link, from any browser; false when it was over already. */
export async function denyProof(work: Work, linkToken: string): Promise<boolean> {
  const proof = await store.denyProofByLink(work.tx, digest(linkToken));
  if (!proof) return false;
  const { id, purpose, accountId } = proof;
  work.record({
    type: factOf(purpose).denied,
    ...who(accountId ?? undefined),
    detail: { proof: id, purpose },
  });
  return true;
}

/** Spends what was proved on what it was proved for: once, and for as long as the code itself would have worked. */
export function spendProof(
  work: Work,
  spent: { readonly id: string; readonly purpose: ProofPurpose; readonly accountId: string },
): Promise<boolean> {
  return store.spendProof(work.tx, spent);
}

/** Ends whatever is under way to prove that an account, or one address of it, is one's own, in whichever browser. */
export async function endProofs(work: Work, accountId: string, address?: string): Promise<void> {
  for (const { id, purpose } of await store.endProofsOf(work.tx, accountId, address)) {
    work.record({
      type: factOf(purpose).ended,
      accountId,
      detail: { proof: id, reason: 'account-changed' },
    });
  }
}

/** What became of a proof that somebody signed in began; the caller holds its binding against who asks. */
export function findProofOf(
  db: Db,
  accountId: string,
  id: string,
): Promise<(store.FoundProof & { readonly attempts: number }) | undefined> {
  return store.findProofOf(db, accountId, id);
}

function provedOutcome(
  work: Work,
  { id, purpose, address, accountId }: store.TriedProof,
  by: 'code' | 'link',
): Extract<ProofOutcome, { outcome: 'proved' }> {
  work.record({
    type: factOf(purpose).proved,
    ...who(accountId ?? undefined),
    detail: { proof: id, purpose, by },
  });
  return { outcome: 'proved', id, address, accountId: accountId ?? undefined };
}

/** A proof that is open and was not taken all the same was begun at this very instant: as good as none. */
function endedOutcome(
  state: store.FoundProof['state'] | undefined,
): Extract<ProofOutcome, { outcome: 'ended' }> {
  return { outcome: 'ended', reason: state === undefined || state === 'open' ? 'none' : state };
}

/** Eight digits are guessed in no time from a plain digest, so it takes the installation's key; and fits one browser only. */
function digestOfCode(keyring: Keyring, purpose: ProofPurpose, binding: string, code: string): Buffer {
  return keyring.mac('email-code', JSON.stringify([purpose, binding, code]));
}

const EMAIL = {
  sent: 'email_proof.sent',
  proved: 'email_proof.proved',
  failed: 'email_proof.failed',
  ended: 'email_proof.ended',
  denied: 'email_proof.denied',
} as const;
const PHONE = {
  sent: 'phone_proof.sent',
  proved: 'phone_proof.proved',
  failed: 'phone_proof.failed',
  ended: 'phone_proof.ended',
  denied: 'phone_proof.denied',
} as const;

function factOf(purpose: ProofPurpose): typeof EMAIL | typeof PHONE {
  return purpose === 'add-phone' ? PHONE : EMAIL;
}

function who(accountId: string | undefined): { readonly accountId?: string } {
  return accountId === undefined ? {} : { accountId };
}
