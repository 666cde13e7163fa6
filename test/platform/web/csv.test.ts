import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { csvLine } from '../../../src/platform/web/csv.js';

/** RFC 4180, as a program reads it: every value of one line. */
function read(line: string): string[] {
  expect(line.endsWith('\r\n')).toBe(true);
  const values = [...line.slice(0, -2).matchAll(/"((?:[^"]|"")*)"(,|$)/gs)].map(found =>
    (found[1] ?? '').replaceAll('""', '"'),
  );
  expect(values.map(value => `"${value.replaceAll('"', '""')}"`).join(',')).toBe(line.slice(0, -2));
  return values;
}

test('RFC 4180: whatever a value is, it comes back whole and in its place', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 }), values => {
      expect(read(csvLine(values)).map(value => value.replace(/^'/, ''))).toEqual(
        values.map(value => value.replace(/^'/, '')),
      );
    }),
  );
  expect(csvLine(['a,b', 'say "x"', 'two\r\nlines', undefined])).toBe(
    '"a,b","say ""x""","two\r\nlines",""\r\n',
  );
});

test.each([
  '=1+1',
  '+1',
  '-1',
  '@SUM(A1)',
  '\t=1',
  '\r=1',
  '\n=1',
  ' =1',
  '\u00a0=1',
  '\ufeff=1',
  '\u200b=1',
  '\u202e=1',
  '＝1',
  '＠x',
  '|calc',
  '%x',
  `=HYPERLINK("https://evil.example","x")`,
  '\tx',
])('C51: no spreadsheet runs %j', value => {
  expect(read(csvLine([value]))).toEqual([`'${value}`]);
});

test.each([
  'Firefox · Linux',
  'a=b',
  'Zürich',
  "it's",
  '',
  '192.0.2.1',
  '2001:db8::1',
  '2026-05-31T10:00:00.000Z',
])('%j stays as it is', value => {
  expect(read(csvLine([value]))).toEqual([value]);
});
