import { findFactors } from '../../domain/factors/factors.js';
import { show } from '../journey.js';
import type { Step } from '../page-models.js';
import type { Turn } from '../turn.js';
import { appSetup } from './app-setup.js';
import { setupBinding } from './demand.js';
import { openCodes } from './new-code.js';

/** Shows the step of whoever sets up a second factor on the way, or is asked for the passkey that is there. */
export async function showStepUp(turn: Turn, base: Step, secret?: string): Promise<void> {
  const { ctx, parts, step, progress } = turn;
  const { stepUp, email = '' } = progress;
  if (step === 'recovery-codes')
    return show(ctx, parts, 'second-step/new-codes', {
      ...base,
      codes: openCodes(turn),
      newPhone: progress.newPhone === true,
    });
  if (!stepUp) throw new Error('nobody sets up a second factor');
  const { because, acr, accountId } = stepUp;
  if (step === 'second-factor-app') {
    const setup = appSetup(parts, { binding: setupBinding(turn, stepUp), email, secret });
    return show(ctx, parts, 'second-step/new-app', { ...base, ...setup, because });
  }
  if (step === 'second-factor')
    return show(ctx, parts, 'second-step/choose', { ...base, email, because, appEnough: acr === 'aal2' });
  const { codes } = await findFactors(parts.db, accountId);
  const codeEnough = acr === 'aal2' && (codes?.left ?? 0) > 0;
  show(ctx, parts, 'second-step/use-passkey', { ...base, email, because, codeEnough });
}
