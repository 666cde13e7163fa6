import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const sheet = readFileSync('views/assets/style.css', 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
const rules = [...sheet.matchAll(/([^{}]+)\{([^{}]*)\}/g)].map(([, selector = '', body = '']) => ({
  selector: selector.trim(),
  declarations: body.split(';').flatMap(line => {
    const at = line.indexOf(':');
    return at < 0 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()] as const];
  }),
}));

/* Each has a twin that follows the direction of writing: inset-inline-start, padding-block, inline-size, start … */
const PHYSICAL =
  /^(left|right|top|bottom|(margin|padding|border|scroll-margin|scroll-padding)-(left|right|top|bottom)(-.*)?|border-(top|bottom)-(left|right)-radius|(min-|max-)?(width|height)|overflow-[xy]|float|clear)$/;

/** Where `transform` or `direction` says left or right on purpose. */
const TURNED = /^\[dir="rtl"\] /;

test('the sheet says nothing of left and right, so that it serves both directions', () => {
  const wrong = rules.flatMap(({ selector, declarations }) =>
    declarations
      .filter(
        ([property, value]) =>
          PHYSICAL.test(property) ||
          /^(left|right)$/.test(value) ||
          (/^(margin|padding|inset|border-width|border-radius)$/.test(property) && unlikeSides(value)) ||
          (property === 'transform' && /X\(|translate\(|rotate\(/.test(value) && !TURNED.test(selector)),
      )
      .map(([property, value]) => `${selector} { ${property}: ${value} }`),
  );
  expect(wrong).toEqual([]);
});

/** Four values of which the second and the fourth differ: right is not left. */
function unlikeSides(value: string): boolean {
  const [, right, , left] = value.split(/\s+(?![^(]*\))/);
  return left !== undefined && right !== left;
}

test('every rule of the sheet is closed before the next begins', () => {
  const within: string[] = [];
  for (const [, before = '', brace] of sheet.matchAll(/([^{}]*)([{}])/g)) {
    if (brace === '}') within.pop();
    else {
      expect(within.filter(outer => !outer.startsWith('@'))).toEqual([]);
      within.push(before.trim());
    }
  }
  expect(within).toEqual([]);
});

test('a mail says nothing of left and right either', () => {
  const mails = readdirSync('views/mail', { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.ejs'),
  );
  for (const name of mails) {
    const source = readFileSync(`views/mail/${name}`, 'utf8');
    expect([name, source.match(/[\w-]*-?\b(left|right)\b\s*[:;"]|align="/g)]).toEqual([name, null]);
  }
});

test('every moving thing stands still for whoever asks for that', () => {
  const moving = rules.filter(({ declarations }) =>
    declarations.some(([property, value]) => /^(transition|animation)$/.test(property) && value !== 'none'),
  );
  const still = rules
    .filter(({ declarations }) =>
      declarations.some(([property, value]) => property === 'transition' && value === 'none'),
    )
    .flatMap(({ selector }) => selector.split(/,\s*/));
  expect(
    moving.flatMap(({ selector }) => selector.split(/,\s*/)).filter(part => !still.includes(part)),
  ).toEqual([]);
});
