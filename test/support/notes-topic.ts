import { z } from 'zod';
import { type ApiOperation, operation } from '../../src/journeys/manage/api.js';
import { type AccountCall, type AccountPage, leadTo } from '../../src/journeys/manage/door.js';
import { ACCOUNT_PAGES, API_OPERATIONS } from '../../src/journeys/manage/routes.js';

/** What each account noted, in a topic that only tests have: it shows what the door does for any. */
export const notes = new Map<string, string[]>();

const NOTE = '/account/test/note';

/** Adds the topic to those of every Keyhold that this test file starts from now on. */
export function addNotesTopic(): void {
  (ACCOUNT_PAGES as AccountPage[]).push(
    { method: 'GET', path: NOTE, sensitive: true, run: showNote },
    { method: 'POST', path: NOTE, sensitive: true, keeps: ['note'], run: keepNote },
    { method: 'GET', path: '/account/test/plain', run: call => show(call, 'Plain') },
    { method: 'POST', path: '/account/test/plain', keeps: ['note'], run: keepNote },
  );
  (API_OPERATIONS as ApiOperation[]).push(
    operation({
      method: 'PATCH',
      path: '/api/me/test/note',
      scope: 'account:profile:write',
      sensitive: true,
      summary: 'Notes something.',
      input: z.strictObject({ note: z.string().max(100).optional() }),
      answer: z.strictObject({ notes: z.array(z.string()) }),
      run: async ({ me, input }) => {
        if (input.note !== undefined) add(me.accountId, input.note);
        return { notes: notes.get(me.accountId) ?? [] };
      },
    }),
  );
}

function add(accountId: string, note: string): void {
  const known = notes.get(accountId) ?? [];
  if (!known.includes(note)) notes.set(accountId, [...known, note]);
}

function showNote(call: AccountCall): void {
  show(call, 'Note');
}

function show({ ctx, parts, me, draft }: AccountCall, heading: string): void {
  const plain = (text: string) => text.replace(/[&<"]/g, sign => `&#${sign.charCodeAt(0)};`);
  ctx.type = 'text/html; charset=utf-8';
  ctx.body = `<!doctype html><html lang="en"><title>Note</title><main><h1>${heading}</h1><p>${plain(me.shown.email)}</p>
    <ul>${(notes.get(me.accountId) ?? []).map(note => `<li>${plain(note)}</li>`).join('')}</ul>
    <form method="post"><input type="hidden" name="csrf" value="${parts.csrf.token(ctx)}">
    <input type="hidden" name="for" value="${me.accountId}">
    <label for="note">Your note</label><input id="note" name="note" value="${plain(draft['note'] ?? '')}">
    <label for="secret">A secret</label><input id="secret" name="secret" value="${plain(draft['secret'] ?? '')}">
    <button>Keep it</button></form></main></html>`;
}

function keepNote(call: AccountCall): void {
  add(call.me.accountId, String(call.sent['note']));
  leadTo(call, call.ctx.path as `/account${string}`);
}
