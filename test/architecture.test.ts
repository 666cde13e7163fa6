import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));
const FLOORS = ['app', 'journeys', 'saml', 'oidc', 'domain', 'platform'];
const ROOTS = ['accounts', 'clients', 'purposes'];
const OWNERS: Readonly<Record<string, RegExp>> = {
  'oidc-provider': /^oidc\//,
  knex: /^platform\/storage\//,
  pg: /^platform\/storage\//,
  bcryptjs: /^domain\/credentials\//,
  '@simplewebauthn/server': /^domain\/credentials\//,
  otplib: /^domain\/factors\//,
  qrcode: /^domain\/factors\//,
  ejs: /^platform\/web\//,
  sharp: /^platform\/pictures\.ts/,
  '@fastify/busboy': /^platform\/web\/upload\.ts/,
  'jsonc-parser': /^domain\/profiles\/schema\.ts/,
  yazl: /^journeys\/privacy\/zip\.ts/,
  yauzl: /^journeys\/privacy\/unpack\.ts/,
  'mmdb-lib': /^platform\/places\.ts/,
  'libphonenumber-js/min': /^domain\/contacts\//,
  ldapts: /^domain\/federation\/protocols\//,
  'prom-client': /^platform\/telemetry\/metrics\.ts/,
  'xml-crypto': /^saml\//,
  'xml-encryption': /^saml\//,
  '@xmldom/xmldom': /^saml\//,
  '@opentelemetry/api': /^platform\/telemetry\/traces\.ts/,
  '@opentelemetry/sdk-trace-node': /^platform\/telemetry\/traces\.ts/,
};
const DRAWERS =
  /(^|[/-])(utils?|helpers?|common|misc|shared|index|managers?|services?|handlers?|controllers?|data|info|impl)(\.ts$|\/|-)/;

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'));
const text = new Map(files.map(file => [file, readFileSync(join(SRC, file), 'utf8')]));
const imports: Import[] = files.flatMap(from =>
  [
    ...(text.get(from) ?? '').matchAll(
      /^(?:import|export)\s(type\s)?[^'";]*?from '([^']+)'|^import '([^']+)'/gms,
    ),
  ].map(found => {
    const named = found[2] ?? found[3] ?? '';
    const to = named.startsWith('.')
      ? relative(SRC, join(SRC, dirname(from), named)).replace(/\.js$/, '.ts')
      : named;
    return { from, to, typeOnly: found[1] !== undefined };
  }),
);
const inside = imports.filter(({ to }) => text.has(to));
const floorOf = (file: string) => FLOORS.indexOf(file.includes('/') ? (file.split('/')[0] ?? '') : 'app');
const roomOf = (file: string) => /^domain\/([^/]+)\//.exec(file)?.[1];
const told = ({ from, to }: Import) => `${from} → ${to}`;

test('floors import only downwards', () => {
  expect(inside.filter(({ from, to }) => floorOf(to) < floorOf(from)).map(told)).toEqual([]);
  expect(files.filter(file => floorOf(file) === -1)).toEqual([]);
});

test('a leaf knows no other leaf, and a root knows no leaf', () => {
  const between = inside.filter(({ from, to }) => roomOf(from) && roomOf(to) && roomOf(from) !== roomOf(to));
  expect(between.filter(({ to }) => !ROOTS.includes(roomOf(to) ?? '')).map(told)).toEqual([]);
});

test('a room is entered by its front door, or by its commands and pages from where rooms are put together', () => {
  const entered = inside.filter(({ from, to }) => roomOf(to) && roomOf(from) !== roomOf(to));
  const doors = (room: string) => [`domain/${room}/${room}.ts`, `domain/${room}/cli.ts`];
  expect(entered.filter(({ to }) => !doors(roomOf(to) ?? '').includes(to)).map(told)).toEqual([]);
});

test('no file is in an import cycle', () => {
  const next = new Map(
    files.map(file => [file, inside.filter(i => i.from === file && !i.typeOnly).map(i => i.to)]),
  );
  const reaches = (from: string, goal: string, seen = new Set<string>()): boolean =>
    (next.get(from) ?? []).some(to => to === goal || (!seen.has(to) && reaches(to, goal, seen.add(to))));
  expect(files.filter(file => reaches(file, file))).toEqual([]);
});

test('each library has one owner', () => {
  const foreign = imports.filter(({ from, to }) => {
    const owner =
      OWNERS[to] ?? (to.startsWith('@simplewebauthn/server') ? OWNERS['@simplewebauthn/server'] : undefined);
    return owner !== undefined && !owner.test(from);
  });
  expect(foreign.map(told)).toEqual([]);
});

test('what is switched off is not loaded', () => {
  const switched = ['platform/telemetry/metrics.ts', 'platform/telemetry/traces.ts'];
  expect(inside.filter(({ to }) => switched.includes(to)).map(told)).toEqual([]);
});

test('the environment is read by the process alone', () => {
  expect(
    files.filter(
      file => /process\.env\b/.test(text.get(file) ?? '') && !['main.ts', 'cli.ts'].includes(file),
    ),
  ).toEqual([]);
});

test('there are no drawers, and no file is over 400 lines', () => {
  expect(files.filter(file => DRAWERS.test(file))).toEqual([]);
  expect(files.filter(file => (text.get(file) ?? '').split('\n').length > 401)).toEqual([]);
});

test('every decision has a number of its own', () => {
  const numbers = readdirSync(join(SRC, '../docs/decisions')).map(file => file.slice(0, 4));
  expect(numbers.filter((number, at) => numbers.indexOf(number) < at)).toEqual([]);
});
