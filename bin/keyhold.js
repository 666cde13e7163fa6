#!/usr/bin/env node
// Starts Keyhold or one of its commands on a Node that is new enough: this file itself runs on old ones.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const [verb, ...words] = process.argv.slice(2);
const program = `${root}dist/src/${verb === 'start' ? 'main' : 'cli'}.js`;
const [major, minor] = process.versions.node.split('.').map(Number);

if (!existsSync(program)) {
  stop(`Keyhold is not built yet; run npm ci && npm run build in ${root}.`);
} else if (major > 22 || (major === 22 && minor >= 12)) {
  if (verb === 'start') process.argv.splice(2, 1);
  await import(new URL(`../dist/src/${verb === 'start' ? 'main' : 'cli'}.js`, import.meta.url).href);
} else if (existsSync(`${root}node_modules/node/bin/node`)) {
  const args = verb === 'start' ? words : process.argv.slice(2);
  const child = spawn(`${root}node_modules/node/bin/node`, [program, ...args], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', error => stop(`Keyhold could not be started: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
} else {
  stop(
    `Keyhold needs Node 22.12 or newer, and this is ${process.versions.node}; run npm ci in ${root}, which brings one.`,
  );
}

function stop(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
