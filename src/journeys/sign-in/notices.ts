import type { Turn } from '../turn.js';
import type { StepNotice } from './models.js';

/** Why somebody is asked who may think that they are signed in, in a word of the locales. */
export function noticeOf({ pending, progress }: Turn): StepNotice | undefined {
  const { prompt, accountId } = pending;
  const because = (...reasons: string[]) => reasons.some(reason => prompt.reasons.includes(reason));
  if (progress.federated && !progress.newAccountId) {
    return progress.way === 'sign-in' ? 'provider_known' : 'provider_unproved';
  }
  if (progress.archived) return 'archived';
  if (progress.recoveryStopped) return 'recovery_stopped';
  if (progress.accountExists) return 'account_exists';
  if (progress.tooWeak === 'provider') return 'again';
  if (progress.tooWeak) return progress.tooWeak === 'code' ? 'stronger_than_code' : 'recovered';
  if (accountId && because('id_token_hint', 'id_token_hint_answer', 'claims_id_token_sub_value'))
    return 'someone_else';
  const isTwoSteps = [prompt.details['acr']].flat().some(value => value === 'aal1' || value === 'aal2');
  if (because('essential_strength', 'app_strength')) return isTwoSteps ? 'second_needed' : 'passkey_needed';
  if (because('role_strength')) return 'second_for_role';
  if (because('wished_strength')) return isTwoSteps ? 'second_wished' : 'passkey_wished';
  if (accountId && because('login_prompt', 'max_age')) return 'again';
  return undefined;
}
