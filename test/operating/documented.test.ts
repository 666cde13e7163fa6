import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { SETTINGS } from '../../src/settings.js';

const read = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');

test('the table of settings in the README has each setting once, and no other', () => {
  const table = /## Settings\n([\s\S]*?)\n## /.exec(read('README.md'))?.[1] ?? '';
  const rows = [...table.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(found => found[1]);
  expect([...rows].sort()).toEqual(Object.keys(SETTINGS).sort());
});

test('the operating guide names no setting that is not there', () => {
  const named = [...read('docs/operating.md').matchAll(/KEYHOLD_([A-Z_]+[A-Z])\b/g)].map(
    found => found[1] ?? '',
  );
  const known = [...Object.keys(SETTINGS)];
  expect(named.filter(name => !known.includes(name) && !known.includes(name.replace(/_FILE$/, '')))).toEqual(
    [],
  );
});

test('each test and decision that the table of demands names is there, and holds the class that it is named for', () => {
  const table = read('docs/security.md');
  const named = [...table.matchAll(/`(test\/[\w/.-]+\.test\.ts)`(?: \(([C\d, ]+)\))?/g)];
  expect(named.length).toBeGreaterThan(50);
  for (const [, path = '', classes = ''] of named) {
    const text = read(path);
    for (const name of classes.match(/C\d\d/g) ?? [])
      expect([path, text]).toEqual([path, expect.stringContaining(name)]);
  }
  for (const [, path = ''] of table.matchAll(/`(decisions\/[\w.-]+\.md)`/g))
    expect(read(`docs/${path}`)).not.toBe('');
});
