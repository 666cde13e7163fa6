import { z } from 'zod';
import { findAccount, findSaleChoice, setLanguage } from '../../../domain/accounts/accounts.js';
import type { Told } from '../../../domain/disclosures/disclosures.js';
import { CHANNELS } from '../../../domain/messages/messages.js';
import { listAttributes } from '../../../domain/profiles/profiles.js';
import { Refusal } from '../../../platform/errors.js';
import type { Db } from '../../../platform/storage/db.js';
import { openWork } from '../../../platform/storage/work.js';
import { tellEveryone } from '../../notices/tell.js';
import { type ApiCall, type ApiOperation, operation } from '../api.js';
import { checkAnswers, offeredTopics, takeAnswers } from './preferences.js';
import { keepSale } from './sale.js';
import { changeZone, zoneOf } from './zone.js';

const channelSchema = z.strictObject({
  channel: z.enum(CHANNELS),
  wanted: z.boolean(),
  /** The version and language of the words that were agreed to, and when. */
  given: z
    .strictObject({ at: z.iso.datetime(), version: z.int(), language: z.string(), wording: z.string() })
    .nullable(),
});

const preferencesSchema = z.strictObject({
  language: z.string(),
  time_zone: z.string().nullable(),
  /** What the person, or a signal of their browser, said about selling and sharing their data. */
  sale: z
    .strictObject({
      choice: z.enum(['opted_out', 'opted_in']),
      by: z.enum(['signal', 'person']),
      since: z.iso.datetime(),
    })
    .nullable(),
  topics: z.array(
    z.strictObject({
      topic: z.string(),
      version: z.int(),
      language: z.string(),
      name: z.string(),
      description: z.string(),
      opt_in: z.string(),
      channels: z.array(channelSchema),
    }),
  ),
});

const changesSchema = z.strictObject({
  language: z.string().max(20).optional(),
  time_zone: z.string().max(64).nullable().optional(),
  sale: z.enum(['opted_out', 'opted_in']).optional(),
  topics: z
    .array(
      z.strictObject({
        topic: z.string().max(40),
        channel: z.enum(CHANNELS),
        wanted: z.boolean(),
        /** Of the words that the person read. */
        version: z.int().min(1),
        language: z.string().max(20),
      }),
    )
    .max(200)
    .optional(),
});

function told({ language, time_zone, topics }: z.output<typeof preferencesSchema>): Told {
  const wanted = topics.flatMap(({ topic, channels }) =>
    channels.filter(({ wanted }) => wanted).map(({ channel }) => `${topic} ${channel}`),
  );
  return {
    locale: language,
    ...(time_zone !== null && { zoneinfo: time_zone }),
    'account:preferences': wanted,
  };
}

/** Which messages a person wants, for apps that they let. */
export const PREFERENCES_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: '/api/me/preferences',
    scope: 'account:preferences:read',
    summary: 'Language, time zone, and the topics there are with what the person opted in to.',
    answer: preferencesSchema,
    tells: told,
    run: ({ parts, me }) => read(parts.db, me.accountId),
  }),
  operation({
    method: 'PATCH',
    path: '/api/me/preferences',
    scope: 'account:preferences:write',
    summary:
      'Changes what is named, all of it or nothing. Opting in names the version and language of the words that the person read.',
    input: changesSchema,
    answer: preferencesSchema,
    tells: told,
    run: async call => {
      await change(call);
      if (call.input.sale) await keepSale(call, call.input.sale);
      return read(call.parts.db, call.me.accountId);
    },
  }),
];

async function read(db: Db, accountId: string): Promise<z.input<typeof preferencesSchema>> {
  const [account, profile, sale] = await Promise.all([
    findAccount(db, accountId),
    listAttributes(db, accountId),
    findSaleChoice(db, accountId),
  ]);
  const language = account?.language ?? 'en';
  const topics = await offeredTopics(db, accountId, language);
  return {
    language,
    time_zone: zoneOf(profile) || null,
    sale: sale ? { choice: sale.choice, by: sale.by, since: sale.at.toISOString() } : null,
    topics: topics.map(({ topic, name, description, wording, language: spoken, channels }) => ({
      topic: topic.topic,
      version: topic.version,
      language: spoken,
      name,
      description,
      opt_in: wording,
      channels: channels.map(({ channel, optIn }) => ({
        channel,
        wanted: optIn !== undefined,
        given: optIn
          ? {
              at: optIn.givenAt.toISOString(),
              version: optIn.version,
              language: optIn.language,
              wording: optIn.wording,
            }
          : null,
      })),
    })),
  };
}

type Change = ApiCall<unknown, z.output<typeof changesSchema>>;

async function change({ ctx, parts, me, actor, input }: Change): Promise<void> {
  const { accountId } = me;
  const { language, time_zone: zone, topics = [] } = input;
  const known = parts.pages.languages.find(({ code }) => code === language);
  if (language !== undefined && !known) {
    throw new Refusal('invalid', 'language_unknown', 'Nothing is said in this language here.');
  }
  const problem = await checkAnswers(parts.db, topics);
  if (problem === 'unknown') throw new Refusal('missing', 'topic_unknown', 'There is no such topic.');
  if (problem) throw reworded();
  const doing = { ctx, parts };
  const isTaken = await openWork(parts.db, actor, async work => {
    /* That it was refused is on record, and nothing else has happened. */
    if (zone !== undefined && !(await changeZone(work, doing, accountId, zone ?? ''))) return false;
    if (await takeAnswers(work, doing, accountId, topics, 'api')) throw reworded();
    const account = await findAccount(work.tx, accountId);
    if (!known || known.code === account?.language) return true;
    const values = { language: known.name };
    await tellEveryone(work, doing, { accountId, kind: 'language_changed', values });
    await setLanguage(work, accountId, known.code);
    return true;
  });
  if (!isTaken) throw new Refusal('invalid', 'time_zone_refused', 'This time zone cannot be set now.');
}

const reworded = () =>
  new Refusal('conflict', 'topic_reworded', 'The words have changed: show them and ask again.');
