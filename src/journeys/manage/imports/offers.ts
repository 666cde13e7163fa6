import { z } from 'zod';
import { listContacts } from '../../../domain/contacts/contacts.js';
import { openImport } from '../../../domain/exports/exports.js';
import { listOptIns, listTopics, wordsOf } from '../../../domain/messages/messages.js';
import { readValue, sameValue } from '../../../domain/profiles/profiles.js';
import { sayIn } from '../../../domain/purposes/purposes.js';
import { makeAnew } from '../../../platform/pictures.js';
import type { BroughtCopy } from '../../privacy/unpack.js';
import type { AccountCall } from '../door.js';
import { type ProfileEntry, profileOf } from '../profile/entries.js';
import { shownValue, speakingOf } from '../profile/shown.js';
import type { Brought, Offer } from './models.js';

const keptSchema = z.object({
  issuer: z.string(),
  madeAt: z.iso.datetime(),
  values: z.record(z.string(), z.unknown()),
  /** By attribute, made anew; base64. */
  pictures: z.record(z.string(), z.string()),
  emails: z.array(z.string()),
  phones: z.array(z.string()),
  topics: z.array(z.string()),
  consents: z.number(),
});

/** What was brought, as it is kept for an hour. */
export type KeptCopy = z.output<typeof keptSchema>;

/** What is kept of a copy: pictures made anew, and no more of them than there can be here. */
export async function keptOf(copy: BroughtCopy): Promise<KeptCopy> {
  const pictures: Record<string, string> = {};
  for (const { attribute, bytes } of copy.pictures.slice(0, 5)) {
    const made = await makeAnew(bytes);
    if ('jpeg' in made) pictures[attribute] = made.jpeg.toString('base64');
  }
  return { ...copy, emails: [...copy.emails], phones: [...copy.phones], topics: [...copy.topics], pictures };
}

/** What somebody brought within the last hour. */
export async function broughtBy({
  parts,
  me,
}: Pick<AccountCall, 'parts' | 'me'>): Promise<KeptCopy | undefined> {
  return keptSchema.safeParse(await openImport(parts.db, parts.keyring, me.accountId)).data;
}

/** An attribute that a value was brought for, as it would be here. */
export interface Takeable {
  readonly entry: ProfileEntry;
  readonly value: unknown;
  readonly picture: Buffer | undefined;
}

/** What of it can be taken: what this place holds, lets its person change now, and would be another value. */
export function takeableOf(
  entries: readonly ProfileEntry[],
  kept: Pick<KeptCopy, 'values' | 'pictures'>,
  now: Date,
): { readonly takeable: readonly Takeable[]; readonly same: readonly string[] } {
  const same: string[] = [];
  const takeable = entries.flatMap((entry): Takeable[] => {
    const { attribute, mayChange, blocked } = entry;
    const given = kept.values[attribute.name];
    if (given === undefined || given === null) return [];
    if (attribute.type === 'picture') {
      const picture = kept.pictures[attribute.name];
      if (picture === undefined || !mayChange || blocked) return [];
      return [{ entry, value: undefined, picture: Buffer.from(picture, 'base64') }];
    }
    const read = readValue(attribute, given, now);
    if ('problem' in read || read.value === undefined) return [];
    if (sameValue(entry.kept?.value, read.value)) same.push(attribute.name);
    else if (mayChange && !(blocked && blocked.why !== 'step_up'))
      return [{ entry, value: read.value, picture: undefined }];
    return [];
  });
  return { takeable, same };
}

/** What somebody brought, in words, with what would become of each. */
export async function shownBrought(call: AccountCall, kept: KeptCopy): Promise<Brought> {
  const { parts, me } = call;
  const speaking = speakingOf(call);
  const entries = await profileOf(parts, me.accountId);
  const { takeable, same } = takeableOf(entries, kept, new Date());
  const labels = new Map(
    entries.map(({ attribute }) => [attribute.name, sayIn(attribute.label, speaking.language)]),
  );
  const offers = takeable.map(({ entry: { attribute, kept: now }, value, picture }): Offer => {
    const current = shownValue(attribute, now?.value, speaking);
    return {
      name: attribute.name,
      label: labels.get(attribute.name) ?? attribute.name,
      ...(current && { now: current }),
      next: (!picture && shownValue(attribute, value, speaking)) || { lines: [] },
      isPicture: picture !== undefined,
    };
  });
  const settled = new Set([...same, ...offers.map(({ name }) => name)]);
  const contacts = await listContacts(parts.db, me.accountId);
  const isNew = (address: string) => !contacts.some(one => one.address === address);
  return {
    issuer: kept.issuer,
    madeAt: new Date(kept.madeAt),
    offers,
    same: same.map(name => labels.get(name) ?? name),
    refused: Object.keys(kept.values)
      .filter(name => !settled.has(name))
      .map(name => labels.get(name) ?? name),
    emails: kept.emails.filter(isNew),
    phones: kept.phones.filter(isNew),
    topics: await suggested(call, kept.topics, speaking.language),
    consents: kept.consents,
  };
}

/* Only a suggestion: to say yes to is what stands in the words here, and was shown to nobody there. */
async function suggested({ parts, me }: AccountCall, wanted: readonly string[], language: string) {
  const [topics, mine] = await Promise.all([listTopics(parts.db), listOptIns(parts.db, me.accountId)]);
  const isOpen = (topic: string) => !mine.some(one => one.topic === topic && one.withdrawnAt === undefined);
  const known = topics.filter(({ topic }) => wanted.includes(topic) && isOpen(topic));
  return known.map(topic => wordsOf(topic, language).name);
}
