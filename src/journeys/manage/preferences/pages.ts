import { z } from 'zod';
import { setLanguage } from '../../../domain/accounts/accounts.js';
import { listContacts } from '../../../domain/contacts/contacts.js';
import { CHANNELS, type Channel } from '../../../domain/messages/messages.js';
import { openWork } from '../../../platform/storage/work.js';
import { seeOther } from '../../journey.js';
import { tellEveryone } from '../../notices/tell.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';
import type { OfferedTopicModel, PreferencesProblem } from './models.js';
import { type Answer, type OfferedTopic, offeredTopics, takeAnswers } from './preferences.js';
import { keepSale, saleOf } from './sale.js';
import { changeZone, zoneOf, zonesByRegion } from './zone.js';

const PATH = '/account/preferences';

/** Which messages somebody wants, and in which language and time zone they are told. */
export const PREFERENCES_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: PATH, nav: 'preferences', run: call => showPreferences(call) },
  { method: 'POST', path: PATH, run: keepTopics },
  { method: 'POST', path: `${PATH}/sale`, form: PATH, run: chooseAboutSale },
  { method: 'POST', path: `${PATH}/language`, form: PATH, keeps: ['language', 'zone'], run: keepLanguage },
];

interface Shown {
  readonly problem?: PreferencesProblem;
  /** What was ticked, as the form sent it. */
  readonly ticked?: readonly Answer[];
  readonly language?: string;
  readonly zone?: string;
}

async function showPreferences(call: AccountCall, { problem, ticked, ...typed }: Shown = {}): Promise<void> {
  const { ctx, parts, me, draft } = call;
  const [topics, contacts] = await Promise.all([
    offeredTopics(parts.db, me.accountId, parts.pages.language(ctx)),
    listContacts(parts.db, me.accountId),
  ]);
  const phone = contacts.some(({ kind, verifiedAt }) => kind === 'phone' && verifiedAt);
  const language = typed.language ?? draft['language'] ?? me.person.account.language;
  const zone = typed.zone ?? draft['zone'] ?? zoneOf(me.person.account.profile);
  const done = doneHere(call, ['topics', 'language', 'sale'] as const);
  if (problem) ctx.status = problem === 'reworded' ? 409 : 400;
  showAccount(call, 'account/preferences', {
    topics: topics.map(topic => modelOf(topic, phone, ticked)),
    languages: parts.pages.languages.map(each => ({ ...each, chosen: each.code === language })),
    zones: zonesByRegion(parts.profile, zone, parts.pages.language(ctx)),
    sale: saleOf(call),
    ...(done && !problem && { done }),
    ...(problem && { problem }),
  });
}

function modelOf(
  { topic, channels, ...words }: OfferedTopic,
  phone: boolean,
  ticked: readonly Answer[] | undefined,
): OfferedTopicModel {
  const said = (channel: Channel) =>
    ticked?.find(
      each => each.topic === topic.topic && each.channel === channel && each.version === topic.version,
    );
  return {
    ...words,
    topic: topic.topic,
    channels: channels.map(({ channel, optIn }) => ({
      channel,
      wanted: said(channel)?.wanted ?? optIn !== undefined,
      ...(optIn && { since: optIn.givenAt }),
      read: `${topic.topic} ${channel} ${topic.version} ${words.language}`,
      unreachable: channel === 'sms' && !phone,
    })),
  };
}

const READ = /^([a-z][a-z0-9-]{0,39}) ([a-z]+) (\d{1,6}) ([A-Za-z-]{2,20})$/;
const channelSchema = z.enum(CHANNELS);

/* Each box that was shown, and whether it is ticked: a box that was not sent says no. */
function answersOf(sent: AccountCall['sent']): readonly Answer[] {
  const wanted = new Set(list(sent['want']));
  return list(sent['read']).flatMap(text => {
    const [, topic = '', named, version, language = ''] = READ.exec(text) ?? [];
    const channel = channelSchema.safeParse(named).data;
    return channel ? [{ topic, channel, version: Number(version), language, wanted: wanted.has(text) }] : [];
  });
}

function list(value: unknown): readonly string[] {
  const all: readonly unknown[] = Array.isArray(value) ? value : [value];
  return all.filter(each => typeof each === 'string');
}

async function keepTopics(call: AccountCall): Promise<void> {
  const { parts, me, actor, sent } = call;
  const answers = answersOf(sent);
  const problem = await openWork(parts.db, actor, work =>
    takeAnswers(work, call, me.accountId, answers, 'preferences'),
  );
  if (problem) return showPreferences(call, { problem: 'reworded', ticked: answers });
  leadTo(call, PATH, 'topics');
}

/* Whoever gets in and changes the language hides what its owner is told: so the owner is told first, in the one they read. */
async function keepLanguage(call: AccountCall): Promise<void> {
  const { ctx, parts, me, actor, sent } = call;
  const { accountId } = me;
  const chosen = parts.pages.languages.find(({ code }) => code === sent['language']);
  const language = chosen?.code ?? me.person.account.language;
  const zone = typeof sent['zone'] === 'string' ? sent['zone'].slice(0, 64) : undefined;
  const refused = await openWork(parts.db, actor, async work => {
    if (zone !== undefined && !(await changeZone(work, call, accountId, zone))) return true;
    if (chosen && chosen.code !== me.person.account.language) {
      await tellEveryone(work, call, {
        accountId,
        kind: 'language_changed',
        values: { language: chosen.name },
      });
      await setLanguage(work, accountId, language);
    }
    return false;
  });
  if (refused) return showPreferences(call, { problem: 'zone', language, zone: zone ?? '' });
  seeOther(ctx, `${PATH}?done=language&ui_locales=${encodeURIComponent(language)}`);
}

async function chooseAboutSale(call: AccountCall): Promise<void> {
  const { sale } = call.sent;
  if (sale === 'opted_out' || sale === 'opted_in') await keepSale(call, sale);
  leadTo(call, PATH, 'sale');
}
