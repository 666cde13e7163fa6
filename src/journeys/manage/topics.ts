import type { Told } from '../../domain/disclosures/disclosures.js';

/** What apps are told of an account beside attributes: what its operations are about. No attribute has such a name. */
export function topicOf({ path }: { readonly path: string }): `account:${string}` {
  return `account:${path.split('/')[3] ?? 'overview'}`;
}

/** For an operation that only says what became of what the app itself sent. */
export const tellsNothing = (): Told => ({});

/** For a list that grows by itself: an app counts as told of it once for each day on which it reads it. */
export const tellsDaily =
  (topic: `account:${string}`): (() => Told) =>
  () => ({ [topic]: new Date().toISOString().slice(0, 10) });

/** What is there of these; nothing stands for no topic at all. */
export function toldOf(topics: Readonly<Record<string, readonly unknown[]>>): Told {
  return Object.fromEntries(Object.entries(topics).filter(([, all]) => all.length > 0));
}
