import type Router from '@koa/router';
import { z } from 'zod';
import { Refusal } from '../../platform/errors.js';
import { getMailboxMail, listMailbox } from '../../platform/mail/mail.js';
import { wantsPage } from '../../platform/web/problems.js';
import { type Parts, show } from '../journey.js';

/** `/dev/mailbox`: where mail lands outside production, as pages and as JSON. */
export function mailboxRoutes(router: Router, parts: Parts): void {
  router.get('/dev/mailbox', async ctx => {
    const mails = await listMailbox(parts.db);
    if (!wantsPage(ctx)) {
      ctx.body = mails.map(({ id, at, to, subject, text, html }) => ({ id, at, to, subject, text, html }));
      return;
    }
    const listed = mails.map(({ id, to, subject, at }) => ({ url: `/dev/mailbox/${id}`, to, subject, at }));
    show(ctx, parts, 'dev/mailbox', { mails: listed, here: '/dev/mailbox' });
  });
  router.get('/dev/mailbox/:id', async ctx => {
    const id = z.uuid().safeParse(ctx['params'].id);
    const mail = id.success ? await getMailboxMail(parts.db, id.data) : undefined;
    if (!mail) throw new Refusal('missing', 'no_mail', 'There is no such mail.');
    if (!wantsPage(ctx)) {
      ctx.body = mail;
      return;
    }
    const links = mail.text.match(/https?:\/\/[^\s<>"]+/g) ?? [];
    show(ctx, parts, 'dev/mail', {
      to: mail.to,
      subject: mail.subject,
      sentAt: mail.at,
      text: mail.text,
      links,
    });
  });
}
