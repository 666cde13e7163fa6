import type { Work } from '../../platform/storage/work.js';

/** Records which terms were accepted, in which version and language. */
export async function acceptTerms(
  work: Work,
  accountId: string,
  version: string,
  language: string,
): Promise<void> {
  await work
    .tx('terms_acceptances')
    .insert({ account_id: accountId, version, language, accepted_at: work.at })
    .onConflict(['account_id', 'version'])
    .ignore();
  work.record({ type: 'terms.accepted', accountId, detail: { version, language } });
}
