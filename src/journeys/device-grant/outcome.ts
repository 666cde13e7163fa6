import type { EnginePages } from '../../oidc/error-page.js';
import { requestScope } from '../../oidc/request-scope.js';
import type { Pages } from '../../platform/web/pages.js';
import { show } from '../journey.js';
import { showProtocolProblem } from '../sign-out/pages.js';

/** The last pages of letting a device in: it may go on, or it may not. */
export function devicePages(pages: Pages): Pick<EnginePages, 'deviceAllowed' | 'deviceStopped'> {
  const parts = { pages };
  return {
    deviceAllowed: async ctx => {
      const { client, session } = ctx.oidc;
      const accountId = session?.accountId;
      const who = accountId === undefined ? {} : { accountId };
      const app = client === undefined ? {} : { clientId: client.clientId };
      const actor = { kind: 'person', ...(accountId !== undefined && { id: accountId }) } as const;
      requestScope().record({ type: 'device.allowed', ...who, ...app }, actor);
      show(ctx, parts, 'device/done', { app: { name: client?.clientName ?? client?.clientId ?? '' } });
    },
    deviceStopped: async (ctx, why, problem) => {
      if (why === 'failed') return showProtocolProblem(ctx, pages, problem);
      if (why === 'over') return show(ctx, parts, 'finished', {});
      const { client } = ctx.oidc;
      const fact = { type: 'device.denied', ...(client && { clientId: client.clientId }) };
      requestScope().record(fact, { kind: 'person' });
      show(ctx, parts, 'device/denied', {});
    },
  };
}
