import {
  findMandate,
  giveMandate,
  listMandates,
  type Mandate,
  RIGHTS,
  type Right,
  revokeMandate,
} from '../../../domain/rights/rights.js';
import { signMandate } from '../../../oidc/mandates.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { tellEveryone } from '../../notices/tell.js';
import type { Problem } from '../../page-models.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';
import { isEventId } from '../history/listing.js';
import { countChange } from '../profile/limits.js';
import { RIGHTS_DONE, type ShownMandate } from './models.js';

const AGENTS = '/account/data/agents';
const GIVE = `${AGENTS}/give` as const;

/** Whom somebody lets ask in their place: giving that and fetching its file takes a fresh proof; taking it back does not. */
export const AGENT_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: AGENTS, within: 'data', run: showAgents },
  { method: 'GET', path: GIVE, sensitive: true, within: 'data', run: call => showGive(call) },
  { method: 'POST', path: GIVE, sensitive: true, within: 'data', keeps: ['agent'], run: give },
  { method: 'POST', path: `${AGENTS}/:id/file`, form: AGENTS, sensitive: true, run: fetchFile },
  { method: 'POST', path: `${AGENTS}/:id/revoke`, form: AGENTS, run: revoke },
];

const DAYS = [30, 90, 365] as const;
const DAY = 86_400_000;
const LONGEST_NAME = 80;

function shown({ id, revokedAt, ...mandate }: Mandate, now: Date): ShownMandate {
  const over = mandate.expiresAt <= now ? 'expired' : 'live';
  const state = revokedAt ? 'revoked' : over;
  const { agent, rights, givenAt, expiresAt, lastUsedAt } = mandate;
  return {
    id,
    agent,
    rights,
    givenAt,
    expiresAt,
    state,
    ...(lastUsedAt && { lastUsedAt }),
    ...(state === 'live' && { fileUrl: `${AGENTS}/${id}/file`, revokeUrl: `${AGENTS}/${id}/revoke` }),
  };
}

async function showAgents(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const mandates = await listMandates(parts.db, parts.keyring, me.accountId);
  const done = doneHere(call, RIGHTS_DONE);
  showAccount(call, 'account/agents', {
    ...(done && { done }),
    mandates: mandates.map(one => shown(one, new Date())),
    giveUrl: GIVE,
  });
}

function showGive(call: AccountCall, problems: readonly Problem[] = []): void {
  const { sent, draft, ctx } = call;
  const typed = sent['agent'] ?? draft['agent'];
  const chosen = rightsIn(sent['right']);
  if (problems.length > 0) ctx.status = 422;
  showAccount(call, 'account/agents-give', {
    ...(problems.length > 0 && { problems }),
    agent: typeof typed === 'string' ? typed : '',
    rights: RIGHTS.map(right => ({ right, chosen: chosen.includes(right) })),
    days: DAYS,
    chosenDays: daysIn(sent['days']),
  });
}

function rightsIn(sent: unknown): readonly Right[] {
  const all: readonly unknown[] = Array.isArray(sent) ? sent : [sent];
  return RIGHTS.filter(right => all.includes(right));
}

const daysIn = (sent: unknown) => DAYS.find(days => String(days) === sent) ?? DAYS[0];

/* It stands in mails and on pages: one line, with nothing that turns text around. */
function nameIn(typed: unknown): string {
  if (typeof typed !== 'string') return '';
  return typed
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

async function give(call: AccountCall): Promise<void> {
  const { parts, me, actor, sent } = call;
  const { accountId } = me;
  const [agent, rights, days] = [nameIn(sent['agent']), rightsIn(sent['right']), daysIn(sent['days'])];
  const problems: Problem[] = [];
  if (agent === '' || [...agent].length > LONGEST_NAME)
    problems.push({ word: 'agent_missing', field: 'agent' });
  if (rights.length === 0) problems.push({ word: 'agent_rights_missing', field: 'right' });
  if (problems.length > 0) return showGive(call, problems);
  await countChange({ ...call, accountId });
  const given = await openWork(parts.db, actor, async work => {
    const expiresAt = new Date(work.at.getTime() + days * DAY);
    const mandate = await giveMandate(work, parts.keyring, { accountId, agent, rights, expiresAt });
    if (mandate) await tellEveryone(work, call, { accountId, kind: 'mandate_given', values: { agent } });
    return mandate !== undefined;
  });
  if (!given) return showGive(call, [{ word: 'agents_full' }]);
  leadTo(call, AGENTS, 'given');
}

async function ownMandate({ parts, me, params }: AccountCall): Promise<Mandate> {
  const id = params['id'] ?? '';
  const found = isEventId(id) ? await findMandate(parts.db, parts.keyring, id) : undefined;
  if (found?.accountId !== me.accountId)
    throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  return found;
}

/* Signed anew each time, and always the same mandate: nothing that lets anybody ask lies in the database. */
async function fetchFile(call: AccountCall): Promise<void> {
  const { ctx, parts, actor } = call;
  const mandate = await ownMandate(call);
  const { id, agent, rights, givenAt, expiresAt } = mandate;
  if (shown(mandate, new Date()).state !== 'live') return leadTo(call, AGENTS, 'over');
  const origin = parts.issuer.origin;
  const seconds = (at: Date) => Math.floor(at.getTime() / 1000);
  const iat = seconds(givenAt);
  const claims = {
    iss: origin,
    aud: origin,
    jti: id,
    agent,
    rights: [...rights],
    iat,
    exp: seconds(expiresAt),
  };
  const file = await openWork(parts.db, actor, work => signMandate(work, parts.keyring, claims));
  ctx.attachment(`mandate-${id.slice(0, 8)}.jws`);
  ctx.type = 'application/jose';
  ctx.body = file;
}

async function revoke(call: AccountCall): Promise<void> {
  const { parts, me, actor } = call;
  const { id, agent } = await ownMandate(call);
  const { accountId } = me;
  const revoked = await openWork(parts.db, actor, async work => {
    if (!(await revokeMandate(work, accountId, id))) return false;
    await tellEveryone(work, call, { accountId, kind: 'mandate_revoked', values: { agent } });
    return true;
  });
  leadTo(call, AGENTS, revoked ? 'revoked' : 'over');
}
