import type Koa from 'koa';
import type { Db } from '../storage/db.js';

/**
 * `/health/live`: the process answers. `/health/ready`: the database answers too, and nobody has asked the process to
 * stop. Before the Host check, and without detail.
 */
export function health(db: Db, isStopping: () => boolean): Koa.Middleware {
  const answer: Koa.Middleware = async ctx => {
    ctx.set('Cache-Control', 'no-store');
    ctx.type = 'application/json';
    const healthy = ctx.path === '/health/live' || (!isStopping() && (await answers(db)));
    ctx.status = healthy ? 200 : 503;
    ctx.body = JSON.stringify({ status: healthy ? 'ok' : 'unavailable' });
  };
  return (ctx, next) =>
    ctx.path === '/health/live' || ctx.path === '/health/ready' ? answer(ctx, next) : next();
}

async function answers(db: Db): Promise<boolean> {
  try {
    await db.raw('SELECT 1').timeout(2_000);
    return true;
  } catch {
    return false;
  }
}
