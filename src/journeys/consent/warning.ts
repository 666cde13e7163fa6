import { badgeOf, show } from '../journey.js';
import { advance, type Turn } from '../turn.js';

/** Says, before anything is asked, that nobody has looked at who stands behind the app. */
export async function showWarning({ ctx, parts, pending }: Turn): Promise<void> {
  const destination = URL.parse(pending.redirectUri)?.host || pending.redirectUri;
  show(ctx, parts, 'app-warning', { uid: pending.uid, app: badgeOf(pending), problems: [], destination });
}

/** "I know this app": on to what it asks for. */
export function acceptWarning(turn: Turn): void {
  advance(turn, { ...turn.progress, warned: true });
}
