import { allowOnward } from '../../platform/web/headers.js';
import type { Pages } from '../../platform/web/pages.js';
import type { SamlPages } from '../../saml/parts.js';
import { show } from '../journey.js';

/** The pages of apps that are answered by way of the person's browser. */
export function samlPages(pages: Pages): SamlPages {
  const parts = { pages };
  return {
    onward: (ctx, onward) => {
      const { app } = onward;
      if ('link' in onward) return show(ctx, parts, 'onward', { app, address: onward.link, here: '/' });
      const { action, fields } = onward;
      allowOnward(ctx, action);
      show(ctx, parts, 'onward', { app, form: { action, fields }, here: '/' });
    },
    signedOut: (ctx, { untold }) => show(ctx, parts, 'sign-out/done', { untold, here: '/sign-out' }),
  };
}
