import { expect, test } from '@jest/globals';
import { readSchema, standardSchema } from '../../src/domain/profiles/profiles.js';

/** The shipped file, as somebody changed it. */
function changed(change: (file: Draft) => void): string {
  const file = JSON.parse(standardSchema().text) as Draft;
  change(file);
  return JSON.stringify(file, null, 2);
}

interface Draft {
  purposes: Record<string, unknown>[];
  attributes: Record<string, unknown>[];
  [member: string]: unknown;
}

const problemsOf = (text: string) => {
  const read = readSchema(text);
  return 'problems' in read ? read.problems : [];
};
const said = (text: string) => problemsOf(text).map(({ path, message }) => `${path}: ${message}`);
const extra = (more: object) => (file: Draft) =>
  void file.attributes.push({
    name: 'shoe_size',
    type: 'number',
    label: { en: 'Shoe size' },
    purpose: 'delivery',
    see: ['person', 'apps'],
    change: ['person'],
    ...more,
  });

test('the shipped declaration is taken as it is, and has a purpose for each claim of OpenID Connect', () => {
  const read = readSchema(standardSchema().text);
  if (!('schema' in read)) throw new Error(JSON.stringify(read.problems));
  const purposes = read.schema.purposes.map(({ id }) => id);
  for (const { name, purpose } of read.schema.attributes) {
    expect(`${name}: ${purposes.includes(purpose)}`).toBe(`${name}: true`);
  }
  const scope = (name: string) =>
    read.schema.attributes
      .filter(attribute => attribute.scope === name)
      .map(attribute => attribute.name)
      .sort();
  /* OpenID Connect Core §5.4. */
  expect(scope('profile').join(' ')).toBe(
    'birthdate family_name gender given_name locale middle_name name nickname picture preferred_username profile updated_at website zoneinfo',
  );
  expect([scope('email'), scope('address'), scope('phone')]).toEqual([
    ['email', 'email_verified'],
    ['address'],
    ['phone_number', 'phone_number_verified'],
  ]);
});

test('every word of the shipped declaration stands in each language of the product', () => {
  const { schema } = standardSchema();
  const words = [
    ...schema.purposes.flatMap(({ name, why }) => [name, why]),
    ...schema.attributes.flatMap(({ label, ask }) => [label, ask ?? {}]),
  ];
  for (const said of words) expect(Object.keys(said).sort()).toEqual(['ar', 'de', 'en', 'es', 'fr']);
});

test('no attribute stands without a purpose, and none names one that is not there', () => {
  const text = changed(file => {
    delete file.attributes[0]?.['purpose'];
  });
  expect(said(text)).toEqual([expect.stringMatching(/^attributes\[0\]\.purpose: /)]);
  expect(said(changed(extra({ purpose: 'curiosity' })))).toEqual([
    expect.stringMatching(/^attributes\[\d+\]\.purpose: there is no purpose "curiosity" in this file$/),
  ]);
});

test('a problem names the line where it stands', () => {
  const lines = standardSchema().text.split('\n');
  const at = lines.findIndex(line => line.includes('"basis": "contract"'));
  const text = lines.with(at, '      "basis": "because",').join('\n');
  expect(problemsOf(text)).toEqual([expect.objectContaining({ line: at + 1, path: 'purposes[0].basis' })]);
});

test('what is no JSON is said with its line, and so is a member that stands twice', () => {
  const lines = standardSchema().text.split('\n');
  expect(problemsOf(lines.toSpliced(2, 1).join('\n'))).not.toEqual([]);
  expect(problemsOf('{\n  "version": 1,\n  "purposes": [}\n')[0]).toMatchObject({ line: 3, path: '' });
  const twice = standardSchema().text.replace(/"version": (\d+),/, '"version": $1,\n  "version": $1,');
  expect(problemsOf(twice)).toEqual([{ line: 3, path: 'version', message: 'stands twice' }]);
  expect(problemsOf('')[0]?.message).toMatch(/is not JSON/);
});

test.each<readonly [string, object, RegExp]>([
  ['an unknown member', { colour: 'red' }, /\.colour: is not known here/],
  ['an unknown member of its limits', { limits: { often: 1 } }, /\.limits\.often: is not known here/],
  ['the name of what a token says about itself', { name: 'sub' }, /\.name: is a name that tokens use/],
  ['the name of a scope', { name: 'openid' }, /\.name: is a name that tokens use/],
  ['a name that means something to JavaScript', { name: '__proto__' }, /\.name: must be lower-case/],
  ['what contacts keep', { name: 'email' }, /\.name: is kept elsewhere/],
  ['no English', { label: { de: 'Schuhgröße' } }, /\.label: has no English/],
  ['a language that is none', { label: { en: 'Size', 'x y': 'Size' } }, /\.label/],
  [
    'a length of time that is none',
    { limits: { cool_down: '3 moons' } },
    /\.limits\.cool_down: is no length/,
  ],
  ['a window that is longer than anybody lives', { limits: { cool_down: '9999 days' } }, /longer than 3660/],
  [
    'a scope that apps were allowed before',
    { scope: 'profile' },
    /\.scope: apps that were allowed "profile"/,
  ],
  ['somebody who is nobody', { see: ['person', 'everybody'] }, /\.see\[1\]/],
  ['a change of what is not seen', { see: ['apps'] }, /\.change: lets the person change what they may not/],
  ['an approval by whoever may not see it', { limits: { approval: true } }, /\.see: leaves out the operator/],
  ['somebody twice', { see: ['person', 'person'] }, /\.see: names somebody twice/],
  ['a pattern that is none', { type: 'text', pattern: '(' }, /\.pattern: is no regular expression/],
  ['a pattern that takes for ever', { type: 'text', pattern: '(a+)+' }, /\.pattern: repeats a group/],
  ['one choice', { type: 'choice', choices: [{ value: 'a', label: { en: 'A' } }] }, /\.choices/],
  ['an undo of a picture', { type: 'picture', limits: { undo_within: '1 day' } }, /\.limits: of a picture/],
  ['no type', { type: undefined }, /\.type: must be text, number/],
])('an attribute with %s is refused, and where is said', (_what, more, problem) => {
  expect(said(changed(extra(more)))).toEqual([expect.stringMatching(problem)]);
});

test('what is held all the same cannot be left out', () => {
  const text = changed(file => {
    file.attributes = file.attributes.filter(({ name }) => name !== 'email');
  });
  expect(said(text)).toEqual(['attributes: "email" is missing: it is held all the same, so say why']);
});

test('two of a name are refused', () => {
  const text = changed(file => {
    extra({})(file);
    extra({})(file);
  });
  expect(said(text)).toEqual([expect.stringMatching(/^attributes\[\d+\]: "shoe_size" stands twice$/)]);
});
