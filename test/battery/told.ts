import { openRawClient } from '../support/raw-client.js';
import type { RelyingParty } from '../support/relying-party.js';
import type { Place } from './place.js';
import { type Rig, writtenTo } from './rig.js';

/** What the app holds of one session, which hangs on one grant. */
export interface Family {
  readonly access: string[];
  readonly refresh: Set<string>;
  state: 'alive' | 'revoked' | 'unsure';
}

/** What clients were told by answers that arrived, and nothing else. */
export interface Told {
  /** Addresses that were told they have an account. */
  readonly members: Set<string>;
  /** Addresses that heard no answer when they asked for one. */
  readonly unsure: Set<string>;
  /** Who was told that they allowed what the app asked. */
  readonly consents: Set<string>;
  readonly families: Family[];
  /** How often each code and each refresh token was taken. */
  readonly taken: Map<string, number>;
  /** Who was told to look for a mail, and has not seen it yet. */
  readonly mailed: Set<string>;
}

/** An empty ledger. */
export function openTold(): Told {
  return {
    members: new Set(),
    unsure: new Set(),
    consents: new Set(),
    families: [],
    taken: new Map(),
    mailed: new Set(),
  };
}

/** How the ledger differs from what is on record, in words. */
export async function compare(told: Told, rig: Rig, app: RelyingParty): Promise<readonly string[]> {
  return [
    ...(await missingMembers(told, rig.place)),
    ...(await missingConsents(told, rig.place)),
    ...(await wrongFamilies(told, rig, app)),
    ...[...told.taken.values()].filter(times => times > 1).map(times => `something was taken ${times} times`),
    ...(await missingMail(told, rig.place)),
  ];
}

async function missingMembers({ members, unsure }: Told, { db }: Place): Promise<readonly string[]> {
  const whole = await db('identifiers')
    .join('passwords', 'passwords.account_id', 'identifiers.account_id')
    .join('terms_acceptances', 'terms_acceptances.account_id', 'identifiers.account_id')
    .pluck('value');
  const there = new Set<string>(whole);
  const lost = [...members].filter(email => !there.has(email)).map(email => `${email} is lost`);
  const more = whole.filter(email => !members.has(email) && !unsure.has(email));
  return [...lost, ...more.map(email => `${email} has an account and never asked for one`)];
}

async function missingConsents({ consents }: Told, { db }: Place): Promise<readonly string[]> {
  const rows = await db('consents')
    .join('identifiers', 'identifiers.account_id', 'consents.account_id')
    .pluck('value');
  const there = new Set<string>(rows);
  return [...consents].filter(email => !there.has(email)).map(email => `the consent of ${email} is lost`);
}

async function wrongFamilies({ families }: Told, rig: Rig, app: RelyingParty): Promise<readonly string[]> {
  const client = await openRawClient(rig, app.client, rig.front);
  const wrong: string[] = [];
  for (const { access, refresh, state } of families) {
    if (state === 'unsure') continue;
    for (const token of [...access.slice(-3), ...refresh]) {
      const { status, body } = await client.introspect(token);
      if (status !== 200) wrong.push(`introspection answers ${status}`);
      else if (body['active'] !== (state === 'alive'))
        wrong.push(`a token is ${state}, and ${body['active']} on record`);
    }
  }
  return wrong;
}

async function missingMail({ mailed }: Told, place: Place): Promise<readonly string[]> {
  const there = await writtenTo(place);
  return [...mailed].filter(email => !there.has(email)).map(email => `${email} never got the mail`);
}
