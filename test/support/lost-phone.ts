import { lookAfterRecoveries } from '../../src/journeys/recovery/lost/job.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openRenderer } from '../../src/platform/web/render.js';
import { openWords } from '../../src/platform/web/words.js';
import { until } from './jobs.js';
import { personAt, signIn } from './journeys.js';
import type { TestKeyhold } from './keyhold.js';
import { codeIn, type ReceivedMail } from './mailbox.js';
import type { Person } from './person.js';
import type { RelyingParty } from './relying-party.js';
import { postStep } from './steps.js';
import { GOOD_PASSWORD } from './walk.js';

// Somebody whose phone is gone: how they say so, and the time that passes meanwhile.

export const GONE = 'I no longer have my phone';
const CODE = /^\d{8} /;
const HOUR = 3_600_000;

/** Signs in up to the second step and says there that the phone is gone. */
export async function sayGone(keyhold: TestKeyhold, app: RelyingParty, email: string): Promise<Person> {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl({ prompt: 'login' }));
  await signIn(person, email);
  await person.press(GONE);
  return person;
}

/** Chooses to wait, and types the code that comes. */
export async function typeMailedCode(person: Person, email: string): Promise<void> {
  const earlier = await person.newestMail(email, CODE);
  await postStep(person, '/lost/continue');
  let mail: ReceivedMail | undefined;
  await until(async () => {
    mail = await person.newestMail(email, CODE);
    return mail !== undefined && mail.id !== earlier?.id;
  });
  await postStep(person, '/code', { code: codeIn(mail as ReceivedMail) });
}

/** Shows password and mailed code; whatever is due then is on the page. */
export async function showBoth(keyhold: TestKeyhold, app: RelyingParty, email: string): Promise<Person> {
  const person = await sayGone(keyhold, app, email);
  await typeMailedCode(person, email);
  return person;
}

/** The same, and begins to wait. */
export async function beginToWait(
  keyhold: TestKeyhold,
  app: RelyingParty,
  email: string,
  passkey: readonly string[] = [],
): Promise<Person> {
  const person = await showBoth(keyhold, app, email);
  await postStep(person, '/lost/begin', passkey[0] === undefined ? {} : { passkey: passkey[0] });
  await secondIsOver(keyhold);
  return person;
}

/** Whoever signs in within what is left of the second in which everybody was signed out is asked once more. */
export async function secondIsOver({ db }: TestKeyhold): Promise<void> {
  await until(async () => {
    const { rows } = await db.raw('SELECT max(signed_out_before) < now() AS past FROM accounts');
    return rows[0].past !== false;
  });
}

/** As if so many hours had passed for the recoveries of an account. */
export async function letPass({ db }: TestKeyhold, accountId: string, hours: number): Promise<void> {
  const back = `- interval '${hours} hours'`;
  await db.raw(
    `UPDATE recoveries SET started_at = started_at ${back}, ready_at = ready_at ${back}, expires_at = expires_at ${back},
       ended_at = ended_at ${back}, settles_at = settles_at ${back}, look_at = look_at ${back} WHERE account_id = ?`,
    [accountId],
  );
}

/** As if every address had been somebody's for a month. */
export async function agedAddresses({ db }: TestKeyhold): Promise<void> {
  const long = new Date(Date.now() - 30 * 86_400_000);
  await db('email_addresses').whereNotNull('verified_at').update({ verified_at: long, added_at: long });
}

/** Runs the job as if so many hours had passed. */
export async function lookAhead({ db, config }: TestKeyhold, hours: number): Promise<void> {
  const telling = {
    issuer: config.issuer,
    keyring: openKeyring(config.secret),
    renderer: openRenderer(openWords()),
    rp: { name: 'Keyhold' },
  };
  const clock = () => new Date(Date.now() + hours * HOUR);
  const job = lookAfterRecoveries(db, { telling, clock });
  await job.run({}, { id: '1', attempt: 1, last: false, signal: new AbortController().signal });
}

/** The link that stops it, out of a mail. */
export function stopLinkIn({ text }: ReceivedMail): string {
  const link = /https?:\/\/\S+\/recovery\/stop\/[\w-]+/.exec(text)?.[0];
  if (!link) throw new Error('there is no link to stop it');
  return link;
}

/** Waits for the newest mail with such a subject. */
export async function mailOf(keyhold: TestKeyhold, email: string, subject: RegExp): Promise<ReceivedMail> {
  let mail: ReceivedMail | undefined;
  await until(async () => {
    mail = await personAt(keyhold).newestMail(email, subject);
    return mail !== undefined;
  });
  return mail as ReceivedMail;
}

export const PASSWORD = GOOD_PASSWORD;
