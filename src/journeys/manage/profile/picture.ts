import type Router from '@koa/router';
import type Koa from 'koa';
import {
  changePicture,
  findPicture,
  keepPicture,
  newPicturePath,
} from '../../../domain/profiles/profiles.js';
import { Refusal } from '../../../platform/errors.js';
import { makeAnew, PICTURE_MEGABYTES } from '../../../platform/pictures.js';
import { type Actor, openWork } from '../../../platform/storage/work.js';
import { readForm } from '../../../platform/web/input.js';
import { readUpload, type Upload } from '../../../platform/web/upload.js';
import type { Parts } from '../../journey.js';
import type { Doing } from '../../notices/tell.js';
import type { Problem } from '../../page-models.js';
import { type AccountCall, type AccountPage, leadTo, showAccount } from '../door.js';
import type { ProfileEntry } from './entries.js';
import { countChange } from './limits.js';
import type { ShownBlock } from './models.js';
import { entryOf, isSure } from './pages.js';
import { changePath, shownEntry, shownLimits, speakingOf } from './shown.js';
import { tellOfChanges } from './tell.js';

const PICTURE = '/account/profile/picture/:attribute';
const SURE_PICTURE = '/account/profile/sure-picture/:attribute';

/* A browser that sends no files says at least that a form was sent. */
const read: NonNullable<AccountPage['read']> = (ctx, csrf) =>
  ctx.is('multipart/form-data')
    ? readUpload(ctx, csrf, { file: 'picture', megabytes: PICTURE_MEGABYTES })
    : readForm(ctx, csrf);

/** A picture of oneself: chosen, put in the place of another, or taken away. */
export const PICTURE_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: PICTURE, run: call => showPicture(call, {}) },
  { method: 'POST', path: PICTURE, read, run: upload },
  { method: 'POST', path: `${PICTURE}/remove`, form: PICTURE, run: remove },
  { method: 'GET', path: SURE_PICTURE, sensitive: true, run: call => showPicture(call, {}) },
  { method: 'POST', path: SURE_PICTURE, sensitive: true, read, run: upload },
  { method: 'POST', path: `${SURE_PICTURE}/remove`, sensitive: true, form: SURE_PICTURE, run: remove },
];

async function pictureOf(call: AccountCall): Promise<ProfileEntry> {
  const entry = await entryOf(call);
  if (entry.attribute.type === 'picture' && entry.mayChange) return entry;
  throw new Refusal('missing', 'attribute_not_found', 'There is no picture of that name to change.');
}

interface Again {
  readonly problem?: Problem['word'];
  readonly blocked?: ShownBlock;
}

async function showPicture(call: AccountCall, { problem, blocked }: Again): Promise<void> {
  const entry = await pictureOf(call);
  const { attribute } = entry;
  if (attribute.limits.step_up && !isSure(call)) return leadTo(call, changePath(attribute, true));
  const why = blocked ?? entry.blocked;
  showAccount(call, 'account/profile-picture', {
    entry: shownEntry(entry, speakingOf(call)),
    action: changePath(attribute, isSure(call)),
    limits: shownLimits(attribute),
    megabytes: PICTURE_MEGABYTES,
    ...(why && { blocked: why }),
    ...(problem && { problems: [{ word: problem, field: 'picture' }] }),
  });
  if (call.ctx.method === 'POST') call.ctx.status = blocked ? 409 : 422;
}

const PROBLEMS = { unreadable: 'picture_unreadable', too_wide: 'picture_too_wide' } as const;

async function upload(call: AccountCall): Promise<void> {
  await countChange({ ...call, accountId: call.me.accountId });
  const { attribute } = await pictureOf(call);
  const { bytes, tooLarge } = (call.sent['picture'] ?? {}) as Partial<Upload>;
  if (tooLarge) return showPicture(call, { problem: 'picture_too_large' });
  if (!(bytes instanceof Buffer)) return showPicture(call, { problem: 'picture_missing' });
  const made = await makeAnew(bytes);
  if ('problem' in made) return showPicture(call, { problem: PROBLEMS[made.problem] });
  await put(call, attribute, made.jpeg);
}

async function remove(call: AccountCall): Promise<void> {
  await put(call, (await pictureOf(call)).attribute, undefined);
}

async function put(
  call: AccountCall,
  attribute: ProfileEntry['attribute'],
  bytes: Buffer | undefined,
): Promise<void> {
  const { me, actor } = call;
  const { accountId } = me;
  const outcome = await putPicture(call, actor, { accountId, attribute, bytes, fresh: isSure(call) });
  if (outcome.outcome === 'taken')
    return leadTo(call, '/account/profile', outcome.changes[0]?.became ?? 'unchanged');
  const [blocked] = outcome.outcome === 'blocked' ? outcome.blocked : [];
  return showPicture(call, blocked ? { blocked } : {});
}

/** Puts a picture, made anew, in the place of the one before, or takes it away; its owner is told. */
export function putPicture(
  doing: Doing,
  actor: Actor,
  {
    bytes,
    ...asked
  }: Omit<Parameters<typeof changePicture>[2], 'path'> & { readonly bytes: Buffer | undefined },
): ReturnType<typeof changePicture> {
  const { parts } = doing;
  const { accountId, attribute } = asked;
  const path = bytes && newPicturePath();
  return openWork(parts.db, actor, async work => {
    const rules = { schema: parts.profile, keyring: parts.keyring };
    const changed = await changePicture(work, rules, { ...asked, path });
    if (changed.outcome !== 'taken') return changed;
    if (bytes && path) await keepPicture(work, { accountId, attribute: attribute.name, path, bytes });
    await tellOfChanges(work, doing, accountId, changed.changes);
    return changed;
  });
}

/** Serves pictures to whoever has their address, in no way that could run. */
export function pictureRoutes(router: Router, parts: Pick<Parts, 'db'>): void {
  router.get('/pictures/:token', ctx => serve(ctx, parts));
}

async function serve(ctx: Koa.Context, { db }: Pick<Parts, 'db'>): Promise<void> {
  const { token } = ctx['params'] as { readonly token: string };
  const bytes = /^[\w-]{32}$/.test(token) ? await findPicture(db, token) : undefined;
  if (!bytes) throw new Refusal('missing', 'no_picture', 'There is no picture at this address.');
  ctx.set('Content-Security-Policy', `default-src 'none'; sandbox`);
  ctx.set('X-Content-Type-Options', 'nosniff');
  ctx.set('Content-Disposition', 'inline; filename="picture.jpg"');
  /* Apps show it on their own pages; nobody in between keeps it, so that it is gone when its person takes it away. */
  ctx.set('Cross-Origin-Resource-Policy', 'cross-origin');
  ctx.set('Cache-Control', 'private, max-age=3600');
  ctx.set('ETag', `"${token}"`);
  ctx.status = 200;
  if (ctx.fresh) {
    ctx.status = 304;
    return;
  }
  ctx.type = 'image/jpeg';
  ctx.body = bytes;
}
