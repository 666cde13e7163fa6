import { relative } from 'node:path';
import type { Config } from './config.js';

/** What a person who just started Keyhold on this machine wants to know. */
export function banner(config: Config, exampleUrl: string | undefined): string {
  const { origin } = config.issuer;
  const tryIt = exampleUrl ? `${exampleUrl}  (an example app that signs people in here)` : `${origin}/`;
  const mail = config.smtpUrl ? 'goes out by KEYHOLD_SMTP_URL' : `${origin}/dev/mailbox`;
  const lines: readonly (readonly [string, string])[] = [
    ['Try it', tryIt],
    ['Mail', mail],
    ['Discovery', `${origin}/.well-known/openid-configuration`],
    ['Kept in', `${shown(config.dataDir)}  (move it away to begin empty)`],
    ['Stop', 'Ctrl-C'],
  ];
  const body = lines.map(([name, value]) => `  ${name.padEnd(11)}${value}`).join('\n');
  return `\nKeyhold is running at ${origin}\n\n${body}\n`;
}

function shown(path: string): string {
  const near = relative('', path);
  return near !== '' && !near.startsWith('..') ? near : path;
}
