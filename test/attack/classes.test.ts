import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

// docs/security-tests.md says which test holds which class of vulnerability: held against the names of the tests.

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const CLASSES = Array.from({ length: 54 }, (_, at) => `C${String(at + 1).padStart(2, '0')}`);

const named = new Map<string, Set<string>>();
for (const file of readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.test.ts')) continue;
  const text = readFileSync(join(ROOT, 'test', file), 'utf8');
  for (const [, numbers = ''] of text.matchAll(/['"`]((?:C\d\d(?:, )?)+):/g)) {
    for (const number of numbers.split(', '))
      named.set(number, (named.get(number) ?? new Set()).add(`test/${file}`));
  }
}

const rows = new Map(
  [
    ...readFileSync(join(ROOT, 'docs/security-tests.md'), 'utf8').matchAll(
      /^\| (C\d\d) \| [^|]+ \| ([^|]+) \|$/gm,
    ),
  ].map(([, number = '', held = '']) => [number, held] as const),
);

test('every class has a row, and every row a test or a reason', () => {
  expect([...rows.keys()]).toEqual(CLASSES);
  expect([...named.keys()].filter(number => !rows.has(number))).toEqual([]);
  expect([...rows].filter(([, held]) => held.trim().length < 5)).toEqual([]);
});

test.each(CLASSES)('the row of %s names the files whose tests carry its number', number => {
  const listed = [...(rows.get(number) ?? '').matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => file);
  expect(listed.filter(file => !named.get(number)?.has(file ?? ''))).toEqual([]);
});
