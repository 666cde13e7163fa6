import { findByIdentifier, lockAccount, normaliseEmail } from '../../../domain/accounts/accounts.js';
import {
  addProvedContact,
  beginProof,
  type ContactKind,
  findProofOf,
  listContacts,
  MOST_CONTACTS,
  PROOF_MINUTES,
  type ProofEnd,
  type ProofPurpose,
  type ReadPhone,
  readPhone,
  tryCode,
} from '../../../domain/contacts/contacts.js';
import { findMessageState, keepMessage } from '../../../domain/messages/messages.js';
import { digest } from '../../../platform/crypto/tokens.js';
import { Refusal } from '../../../platform/errors.js';
import { sealSms, withCode } from '../../../platform/sms/sms.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import { askedFrom } from '../../../platform/web/origin.js';
import { keepProvedCode, mail } from '../../codes.js';
import { smsLimits } from './budgets.js';
import { countCode, countHere, countMail, networkHere } from './limits.js';
import { type Asker, isId, requestOf } from './mine.js';
import { tellChanged } from './tell.js';

/** Why no code is sent: what was typed is no address, is one's own already, is too many, or lies where nothing is sent to. */
export type NotBegun =
  | 'email_missing'
  | 'email_invalid'
  | 'phone_missing'
  | 'phone_invalid'
  | 'phone_country'
  | 'phone_off'
  | 'contact_known'
  | 'contacts_full';

/** What became of a wish to add an address. */
export type Begun =
  | { readonly outcome: 'begun'; readonly proof: string; readonly address: string }
  | { readonly outcome: 'problem'; readonly word: NotBegun };

const PURPOSES = { email: 'add-email', phone: 'add-phone' } as const;

/** Sends a code to an address; one that is somebody else's gets a mail that says so, and everything here looks the same. */
export async function beginContact(asker: Asker, kind: ContactKind, typed: string): Promise<Begun> {
  const problem = (word: NotBegun): Begun => ({ outcome: 'problem', word });
  if (typed.trim() === '') return problem(`${kind}_missing`);
  if (kind === 'phone' && !asker.parts.sms) return problem('phone_off');
  const phone = kind === 'phone' ? readPhone(typed) : undefined;
  const address = kind === 'phone' ? phone?.number : normaliseEmail(typed);
  if (address === undefined) return problem(`${kind}_invalid`);
  const own = (await listContacts(asker.parts.db, asker.accountId)).filter(each => each.kind === kind);
  const known = own.find(each => each.address === address);
  if (known?.verifiedAt) return problem('contact_known');
  if (!known && own.length >= MOST_CONTACTS[kind]) return problem('contacts_full');
  if (!phone) return { outcome: 'begun', address, proof: await beginEmail(asker, address) };
  const { countries = [] } = asker.parts.sms ?? {};
  if (countries !== '*' && !countries.includes(phone.country ?? '')) return problem('phone_country');
  return { outcome: 'begun', address, proof: await beginPhone(asker, phone) };
}

function start(work: Work, asker: Asker, kind: ContactKind, address: string, decoy: boolean) {
  const { ctx, parts, app, accountId } = asker;
  const purpose = PURPOSES[kind];
  return beginProof(work, parts.keyring, {
    purpose,
    address,
    accountId,
    binding: bindingOf(asker, purpose, address),
    askedFrom: JSON.stringify({ ...askedFrom(ctx), ...(app && { app: app.name }) }),
    locale: parts.pages.language(ctx),
    decoy,
  });
}

async function beginEmail(asker: Asker, address: string): Promise<string> {
  const { ctx, parts, app, accountId } = asker;
  await countMail(asker, address);
  const holder = await findByIdentifier(parts.db, 'email', address);
  const held = holder !== undefined && holder.id !== accountId;
  const asked = { at: new Date(), ...askedFrom(ctx), ...(app && { app: app.name }) };
  return openWork(parts.db, asker.actor, async work => {
    const { id, code } = await start(work, asker, 'email', address, held);
    if (held) {
      const to = { to: address, language: holder.language, accountId: holder.id };
      mail(work, parts, 'address-held', to, { asked });
    } else {
      /* On nobody's record until it is proved: who has an address must not show in what was sent to whom. */
      const to = { to: address, language: parts.pages.language(ctx), accountId: undefined };
      mail(work, parts, 'add-email-code', to, { code, minutes: PROOF_MINUTES, asked });
    }
    return id;
  });
}

async function beginPhone(asker: Asker, phone: ReadPhone): Promise<string> {
  const { ctx, parts, accountId } = asker;
  const network = networkHere(asker);
  const message = 'We have sent several text messages already. Please wait.';
  await countHere(asker, smsLimits({ phone, accountId, network }, parts.sms?.perDay ?? 0), {
    code: 'too_many_messages',
    message,
  });
  return openWork(parts.db, asker.actor, async work => {
    const { id, code } = await start(work, asker, 'phone', phone.number, false);
    const say = (shown: string) => parts.pages.say(ctx, 'sms.code', { code: shown, issuer: parts.rp.name });
    const until = new Date(work.at.getTime() + PROOF_MINUTES * 60_000);
    const text = withCode(say(code), parts.issuer.hostname, code);
    work.enqueue(sealSms(parts.keyring, { to: phone.number, text }, { id, accountId, until }));
    keepMessage(work, parts.keyring, {
      id,
      accountId,
      channel: 'sms',
      kind: 'code',
      template: 'add-phone-code',
      templateVersion: digest(say('')).toString('base64url').slice(0, 12),
      language: parts.pages.language(ctx),
      to: phone.number,
      subject: say('••••••••'),
    });
    return id;
  });
}

/** A code is typed where it was asked for, by whoever asked, for what they asked and for the address they named. */
function bindingOf({ accountId, place }: Asker, purpose: ProofPurpose, address: string): string {
  return `account ${digest(JSON.stringify([accountId, place, purpose, address])).toString('base64url')}`;
}

/** A proof that was begun here. */
export interface BegunHere {
  readonly id: string;
  readonly kind: ContactKind;
  readonly address: string;
  /** undelivered: the text message that brings the code could not be handed over. */
  readonly state: 'open' | 'undelivered' | ProofEnd;
}

/** The proof of an id, if it was begun right here by whoever asks; refuses when it is none of theirs at all. */
export async function findBegun(asker: Asker, id: string): Promise<BegunHere | undefined> {
  const proof = isId(id) ? await findProofOf(asker.parts.db, asker.accountId, id) : undefined;
  if (!proof || (proof.purpose !== 'add-email' && proof.purpose !== 'add-phone')) {
    throw new Refusal('missing', 'no_such_code', 'No such code was asked for, or it is long over.');
  }
  const { purpose, address, state } = proof;
  if (proof.binding !== bindingOf(asker, purpose, address)) return undefined;
  if (purpose === 'add-email') return { id, kind: 'email', address, state };
  /* The message goes by the proof's id. What became of a mail is not looked at: that would tell who has an address. */
  const message = await findMessageState(asker.parts.db, asker.accountId, id);
  const lost = state === 'open' && (message === 'refused' || message === 'failed');
  return { id, kind: 'phone', address, state: lost ? 'undelivered' : state };
}

/** What became of a code. */
export type Proved =
  | { readonly outcome: 'added' }
  /** It became somebody else's between the code and now; whoever proved it may know. */
  | { readonly outcome: 'taken' }
  | { readonly outcome: 'wrong'; readonly triesLeft: number }
  | { readonly outcome: 'ended'; readonly reason: ProofEnd };

/** Takes a code: counted, used, and its address on the account, in one transaction. */
export async function proveContact(asker: Asker, id: string, code: string): Promise<Proved> {
  const { ctx, parts, actor, accountId } = asker;
  const begun = await findBegun(asker, id);
  if (!begun) return { outcome: 'ended', reason: 'none' };
  await countCode(asker);
  const { kind, address } = begun;
  const purpose = PURPOSES[kind];
  return openWork(parts.db, actor, async work => {
    /* Before the proof, in the order in which undoing takes them. */
    await lockAccount(work, accountId);
    const binding = bindingOf(asker, purpose, address);
    const outcome = await tryCode(work, parts.keyring, { binding, purpose, code });
    if (outcome.outcome !== 'proved') return outcome;
    const added = await addProvedContact(work, requestOf(asker, { kind, address }));
    if (added === 'taken') return { outcome: 'taken' };
    if (kind === 'email') {
      const proved = { name: 'add-email-code', accountId, email: address, provedBy: id } as const;
      keepProvedCode(work, parts, proved, parts.pages.language(ctx));
    }
    if (added !== 'unchanged') await tellChanged(work, asker, added);
    return { outcome: 'added' };
  });
}
