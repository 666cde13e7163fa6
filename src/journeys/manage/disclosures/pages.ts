import type { Readable } from 'node:stream';
import { z } from 'zod';
import { Refusal } from '../../../platform/errors.js';
import { type AccountCall, type AccountPage, showAccount } from '../door.js';
import { csvOf, jsonOf } from './download.js';
import { inOrder, labelOf, purposeNamed, reasonOf, type Speaking } from './labels.js';
import { type Knowing, type Left, type LeftFilter, listKnowing, listLeft, readingOf } from './listing.js';
import type { FilterChoice, ShownKnowing, ShownLeft } from './models.js';

const PATH = '/account/disclosures';

/** What left about somebody: to look through, and to take along. */
export const DISCLOSURES_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: PATH, nav: 'disclosures', run: showDisclosures },
  { method: 'GET', path: `${PATH}.csv`, run: call => download(call, 'csv') },
  { method: 'GET', path: `${PATH}.json`, run: call => download(call, 'json') },
];

/* A name that no app and no claim has finds nothing, like one that was never told anything. */
function filterOf({ ctx }: AccountCall): LeftFilter {
  const text = (name: string) => {
    const value = ctx.query[name];
    return typeof value === 'string' && value !== '' ? value.slice(0, 255) : undefined;
  };
  const before = z.uuid().safeParse(text('before')).data;
  return { clientId: text('app'), claim: text('claim'), before };
}

function addressOf(path: string, { clientId, claim, before }: LeftFilter): string {
  const set = Object.entries({ app: clientId, claim, before }).filter(
    (part): part is [string, string] => part[1] !== undefined,
  );
  return set.length === 0 ? path : `${path}?${new URLSearchParams(set)}`;
}

function speakingOf({ ctx, parts }: AccountCall): Speaking {
  return { language: parts.pages.language(ctx), say: key => parts.pages.say(ctx, key) };
}

async function showDisclosures(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const filter = filterOf(call);
  const [{ rows, older }, knowing] = await Promise.all([
    listLeft(await readingOf(parts, me.accountId), filter),
    listKnowing(parts, me.accountId),
  ]);
  const { clientId, claim, before } = filter;
  const filtered = clientId !== undefined || claim !== undefined;
  showAccount(call, 'account/disclosures', {
    rows: rows.map(row => shownLeft(call, row)),
    knowing: filtered || before !== undefined ? [] : knowing.map(app => shownKnowing(call, app)),
    ...choicesOf(call, knowing, filter),
    filtered,
    ...(older !== undefined && { olderUrl: addressOf(PATH, { ...filter, before: older }) }),
    ...(before !== undefined && { newestUrl: addressOf(PATH, { clientId, claim }) }),
    csvUrl: addressOf(`${PATH}.csv`, { clientId, claim }),
    jsonUrl: addressOf(`${PATH}.json`, { clientId, claim }),
  });
}

function shownLeft(call: AccountCall, left: Left): ShownLeft {
  const { parts } = call;
  const speaking = speakingOf(call);
  const label = labelOf(parts, speaking);
  return {
    app: left.app.name ?? left.app.clientId,
    at: left.at,
    way: left.way,
    reason: reasonOf(parts, left),
    claims: inOrder(parts)(left.claims).map(({ claim, purpose, changed }) => {
      const own = claim === 'sub' ? speaking.say('disclosures.sub_for') : undefined;
      const held = purposeNamed(parts, purpose, speaking.language) ?? own;
      return { label: label(claim), changed: changed === true, ...(held !== undefined && { purpose: held }) };
    }),
  };
}

function shownKnowing(call: AccountCall, { clientId, name, claims, last }: Knowing): ShownKnowing {
  const label = labelOf(call.parts, speakingOf(call));
  const named = inOrder(call.parts)(claims.map(claim => ({ claim })));
  return {
    app: name ?? clientId,
    last,
    labels: [...new Set(named.map(({ claim }) => label(claim)))],
    url: addressOf(PATH, { clientId }),
  };
}

function choicesOf(call: AccountCall, knowing: readonly Knowing[], { clientId, claim }: LeftFilter) {
  const label = labelOf(call.parts, speakingOf(call));
  const held = call.parts.profile.attributes.filter(({ name }) => name === claim).map(({ name }) => name);
  const told = knowing.flatMap(({ claims }) => claims);
  const named = [...new Set([...told, ...held])].map(one => ({ claim: one }));
  const apps = knowing.map(
    (app): FilterChoice => ({
      value: app.clientId,
      label: app.name ?? app.clientId,
      chosen: app.clientId === clientId,
    }),
  );
  const claims = inOrder(call.parts)(named).map(
    ({ claim: one }): FilterChoice => ({ value: one, label: label(one), chosen: one === claim }),
  );
  return { apps, claims };
}

/** So often all that left is written out for an account in an hour. */
const DOWNLOADS = { name: 'disclosures-download', per: 'account', max: 20, window: 3_600 } as const;

async function download(call: AccountCall, shape: 'csv' | 'json'): Promise<void> {
  const { ctx, parts, me } = call;
  const verdict = await parts.protection.count([{ ...DOWNLOADS, subject: me.accountId }]);
  if (!verdict.allowed) {
    const message = 'This was downloaded many times already. Please wait.';
    throw new Refusal('limited', 'too_many_downloads', message, { retryAfter: verdict.retryAfter });
  }
  const { clientId, claim } = filterOf(call);
  ctx.attachment(`disclosures.${shape}`);
  ctx.type = shape === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/json; charset=utf-8';
  const write = shape === 'csv' ? csvOf : jsonOf;
  const writing = { parts, reading: await readingOf(parts, me.accountId), speaking: speakingOf(call) };
  ctx.body = write(writing, { clientId, claim }) satisfies Readable;
}
