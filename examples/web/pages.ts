import type { PersonRecord } from './commands.js';
import type { SignedIn } from './keyhold.js';

/** The page for somebody who is not signed in. */
export function welcomePage(note?: string): string {
  return frame(
    'Example app',
    `${note ? `<p role="status" class="note">${escapeHtml(note)}</p>` : ''}
     <p>This is an app that keeps no passwords. It asks Keyhold who you are.</p>
     <p class="actions">
       <a class="button primary" href="/sign-in">Sign in with Keyhold</a>
       <a class="button" href="/create-account">Create account</a>
     </p>`,
  );
}

/** The page for somebody who is signed in: what the app learned, and what it may do with it. */
export function signedInPage(
  who: SignedIn,
  claims: Readonly<Record<string, unknown>>,
  record: PersonRecord | undefined,
): string {
  const name = claims.name ?? claims.email ?? who.subject;
  return frame(
    `Hello, ${String(name)}`,
    `<h2>What Keyhold told this app</h2>
     ${definitions({ ...claims })}
     <h2>How you signed in</h2>
     ${definitions(pick(who.idTokenClaims, ['iss', 'auth_time', 'acr', 'amr']))}
     <h2>What this app remembers by itself, until Keyhold says that you are gone</h2>
     ${definitions({ 'First seen': record?.firstSeen.toISOString() ?? 'never', 'Sign-ins': record?.signIns ?? 0 })}
     <h2>What this app holds</h2>
     ${definitions({
       'Access token': `good until ${who.accessTokenExpiresAt.toISOString()}`,
       'Refresh token': who.refreshToken ? 'yes, used once and replaced at each refresh' : 'none',
     })}
     <div class="actions">
       <form method="post" action="/refresh"><button>Refresh</button></form>
       <form method="post" action="/sign-out"><button class="primary">Sign out</button></form>
     </div>`,
  );
}

/** The page for something that went wrong, in words for the person, with the code for the developer. */
export function problemPage(title: string, words: string, code?: string): string {
  return frame(
    title,
    `<p>${escapeHtml(words)}</p>
     ${code ? `<p class="code">For the developer: <code>${escapeHtml(code)}</code></p>` : ''}
     <p class="actions"><a class="button primary" href="/sign-in">Try again</a> <a class="button" href="/">Start page</a></p>`,
  );
}

/** The one stylesheet, served from this app's own origin. */
export const STYLE = `
  :root { color-scheme: light dark; --ink: light-dark(#1d2433, #e8ebf2); --ground: light-dark(#f5f6f9, #14171f);
    --card: light-dark(#fff, #1d222d); --line: light-dark(#d5d9e2, #3a4150); --accent: light-dark(#2451c7, #9db8ff);
    --on-accent: light-dark(#fff, #10182c); --quiet: light-dark(#566074, #a9b2c3); }
  * { box-sizing: border-box; }
  body { margin: 0; padding: 6vh 1rem; background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
  main { max-width: 38rem; margin: 0 auto; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem; }
  h1 { margin: 0 0 1rem; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; } h2 { margin: 1.75rem 0 .5rem; font-size: 1rem; }
  dl { margin: 0; display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .25rem 1rem; }
  dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
  .actions { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.75rem 0 0; }
  .button, button { display: inline-block; padding: .6rem 1.1rem; border: 1px solid var(--line); border-radius: .5rem;
    background: transparent; color: inherit; font: inherit; text-decoration: none; cursor: pointer; }
  .primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
  .button:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  .note { padding: .6rem .9rem; border-left: 4px solid var(--accent); background: var(--ground); } .code { color: var(--quiet); }
  @media (max-width: 30rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
`;

function frame(heading: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(heading)} · Example app</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="data:,">
<main>
<h1>${escapeHtml(heading)}</h1>
${body}
</main>
</html>`;
}

function definitions(entries: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(entries).map(
    ([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(inWords(name, value))}</dd>`,
  );
  return `<dl>${rows.join('')}</dl>`;
}

function inWords(name: string, value: unknown): string {
  if (/(_time|_at)$/.test(name) && typeof value === 'number') return new Date(value * 1000).toISOString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function pick(from: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.filter(name => name in from).map(name => [name, from[name]]));
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`);
}
