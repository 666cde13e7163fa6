import { codeIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { requestPath } from '../support/steps.js';
import {
  newAddress,
  newcomer,
  personAtFront,
  posting,
  proofUsedOnce,
  type Race,
  type RaceGround,
  type Round,
} from './races.js';
import type { Rig } from './rig.js';

const NEW_PASSWORD = 'seven quiet herons borrow ladders';

/** What people who lost their password use once, and what they are told. */
export function recoveryRaces(ground: RaceGround): readonly Race[] {
  return [
    { name: 'recovery code', prepare: () => recoveryCode(ground) },
    { name: 'new password after recovery', prepare: () => newPassword(ground) },
    { name: 'mailed "this wasn\'t me" link', prepare: () => objectionLink(ground) },
  ];
}

interface Recovering {
  readonly person: Person;
  readonly email: string;
  readonly code: string;
}

async function atRecoveryCode(ground: RaceGround): Promise<Recovering> {
  const { rig, app } = ground;
  const email = newAddress();
  await newcomer(ground, email);
  const earlier = await rig.mailbox.latest(email);
  const person = personAtFront(ground);
  await person.goto(await app.authorizationUrl());
  person.fill('Email', email);
  await person.press('Continue');
  await person.press('Forgot password?');
  return { person, email, code: codeIn(await person.latestMail(email, earlier)) };
}

/* A second use leads to the page of the step that is due, as the first does: only the record tells who did it. */
async function recoveryCode(ground: RaceGround): Promise<Round> {
  const { person, code } = await atRecoveryCode(ground);
  const send = await posting(person, '/code', { code });
  const binding = requestPath(person).split('/').at(-1) ?? '';
  let first = true;
  return {
    use: async dispatcher => {
      const { status } = await send(dispatcher);
      const won = status === 303 && first;
      if (won) first = false;
      return { status, won };
    },
    audit: () => proofUsedOnce(ground.rig, binding),
  };
}

async function toNewPassword(ground: RaceGround): Promise<Recovering> {
  const recovering = await atRecoveryCode(ground);
  recovering.person.fill('Code', recovering.code);
  await recovering.person.press('Continue');
  return recovering;
}

async function newPassword(ground: RaceGround): Promise<Round> {
  const { person, email } = await toNewPassword(ground);
  const send = await posting(person, '/recovery/password', { password: NEW_PASSWORD });
  const path = requestPath(person);
  return {
    use: async dispatcher => {
      const { status, location } = await send(dispatcher);
      return { status, won: status === 303 && new URL(location, ground.rig.issuer).pathname !== path };
    },
    audit: () => onRecordOnce(ground.rig, 'account.recovered', email),
  };
}

async function objectionLink(ground: RaceGround): Promise<Round> {
  const { rig } = ground;
  const { person, email } = await toNewPassword(ground);
  const earlier = await rig.mailbox.latest(email);
  person.fill('New password', NEW_PASSWORD);
  await person.press('Set the new password');
  const notice = await person.latestMail(email, earlier);
  const path = /\/objection\/[\w-]+/.exec(notice.text)?.[0] ?? '';
  await person.goto(rig.issuer + path);
  const send = await posting(person, path, {});
  return {
    use: async dispatcher => {
      const { status } = await send(dispatcher);
      return { status, won: status === 200 };
    },
    audit: () => onRecordOnce(rig, 'account.frozen', email),
  };
}

async function onRecordOnce({ place }: Rig, type: string, email: string): Promise<readonly string[]> {
  const { account_id } = await place.db('identifiers').where({ value: email }).first('account_id');
  const [row] = await place.db('events').where({ type, account_id }).count();
  return Number(row?.['count']) === 1 ? [] : [`${type} is on record ${row?.['count']} times`];
}
