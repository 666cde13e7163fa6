import { findPassword, listPasskeys } from '../../../domain/credentials/credentials.js';
import { appUri, drawQr, findFactors, newAppSecret, spelledSecret } from '../../../domain/factors/factors.js';
import {
  findRecovery,
  findStoppedAt,
  findWaiting,
  REST_DAYS,
} from '../../../domain/recoveries/recoveries.js';
import { badgeOf, show } from '../../journey.js';
import type { Problem } from '../../page-models.js';
import type { Step } from '../../sign-in/next-step.js';
import { stepUrl, type Turn } from '../../turn.js';
import { openSetup, sealSetup } from './sealed.js';
import { askedOf } from './tell.js';

type Show = (turn: Turn, base: Base) => Promise<void> | void;
interface Base {
  readonly uid: string;
  readonly app: { readonly name: string; readonly logo?: string };
  readonly problems: readonly Problem[];
  readonly email: string;
}

const whoseOf = ({ progress }: Turn) => progress.lost?.accountId ?? '';

const supportOf = ({ protocol, pathname, href }: URL) =>
  protocol === 'mailto:' ? { address: decodeURIComponent(pathname) } : { url: href };

const PAGES: Readonly<Partial<Record<Step, Show>>> = {
  lost: async (turn, base) => {
    const { ctx, parts, progress } = turn;
    const mayWait = (await findPassword(parts.db, whoseOf(turn))) !== undefined;
    show(ctx, parts, 'recovery/lost', {
      ...base,
      hours: parts.lostPhoneWait,
      mayWait,
      mailProved: progress.lost?.proof !== undefined,
      ...(parts.support && { support: supportOf(parts.support) }),
    });
  },
  'lost-password': ({ ctx, parts }, base) => show(ctx, parts, 'recovery/lost-password', base),
  'lost-what': async (turn, base) => {
    const { ctx, parts } = turn;
    const [{ apps }, passkeys] = await Promise.all([
      findFactors(parts.db, whoseOf(turn)),
      listPasskeys(parts.db, whoseOf(turn)),
    ]);
    show(ctx, parts, 'recovery/lost-what', {
      ...base,
      hours: parts.lostPhoneWait,
      apps: apps.map(({ name, addedAt }) => ({ name, addedAt })),
      passkeys: passkeys.map(({ id, name, addedAt, backedUp }) => {
        return { id, name, addedAt, synced: backedUp };
      }),
    });
  },
  'lost-waiting': async (turn, base) => {
    const { ctx, parts } = turn;
    const waiting = await findWaiting(parts.db, whoseOf(turn));
    if (waiting) {
      const { readyAt, expiresAt } = waiting;
      return show(ctx, parts, 'recovery/lost-waiting', { ...base, resting: false, readyAt, expiresAt });
    }
    const stopped = (await findStoppedAt(parts.db, whoseOf(turn))) ?? new Date();
    const readyAt = new Date(stopped.getTime() + REST_DAYS * 86_400_000);
    show(ctx, parts, 'recovery/lost-waiting', { ...base, resting: true, readyAt });
  },
  'lost-new': (turn, base) => {
    const { ctx, parts, sent } = turn;
    const secret = openSetup(turn, sent['setup']) ?? newAppSecret();
    show(ctx, parts, 'recovery/lost-new', {
      ...base,
      qr: drawQr(appUri(secret, { issuer: parts.rp.name, account: base.email })),
      secret: spelledSecret(secret),
      setup: sealSetup(turn, secret),
    });
  },
  'stop-recovery': async (turn, base) => {
    const { ctx, parts, pending, progress } = turn;
    const { accountId = '', recovery: id = '' } = progress.stopping ?? {};
    const recovery = await findRecovery(parts.db, accountId, id);
    if (!recovery) throw new Error('what suspends something is on record');
    show(ctx, parts, 'recovery/stop', {
      ...base,
      action: `${stepUrl(pending)}/lost/stop`,
      completed: recovery.state !== 'waiting',
      readyAt: recovery.readyAt,
      asked: askedOf(parts.keyring, recovery),
      signingIn: true,
    });
  },
};

/** Shows the page of whoever has lost a phone; undefined at any other step. */
export function showLost(turn: Turn, problems: readonly Problem[]): Promise<void> | undefined {
  const page = PAGES[turn.step];
  if (!page) return undefined;
  const { pending, progress } = turn;
  const base = { uid: pending.uid, app: badgeOf(pending), problems, email: progress.email ?? '' };
  return Promise.resolve(page(turn, base));
}
