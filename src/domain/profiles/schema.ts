import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findNodeAtLocation, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { z } from 'zod';
import { heldPurposes, type Purpose, purposeSchema, type StandingNotice } from '../purposes/purposes.js';
import {
  type Attribute,
  attributeSchema,
  ELSEWHERE,
  isKept,
  type KeptAttribute,
  sayIssue,
} from './attribute.js';

/** What is known about people and why: the one declaration that claims, consent pages and the profile page follow. */
export interface ProfileSchema {
  readonly purposes: readonly Purpose[];
  readonly attributes: readonly Attribute[];
  /** Which version of its notice stands for each purpose; where nothing was applied yet, the first one. */
  readonly notices?: readonly StandingNotice[];
}

/** Something that is wrong with a file, and where it stands there. */
export interface FileProblem {
  readonly line: number;
  readonly path: string;
  readonly message: string;
}

const fileSchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.int().min(1).default(1),
  purposes: z.array(purposeSchema).min(1).max(200),
  attributes: z.array(attributeSchema).min(1).max(200),
});
/** A file may say no more than why: what is held stays as it stands. */
const purposesSchema = fileSchema.extend({ attributes: fileSchema.shape.attributes.optional() });

type Path = readonly (string | number)[];
type Issue = readonly [path: Path, message: string, offset?: number];

/**
 * Reads a declaration. Each problem names the line and the member. Given the attributes that stand, a file of purposes
 * alone is one too.
 */
export function readSchema(
  text: string,
  standing?: readonly Attribute[],
):
  | { readonly schema: ProfileSchema; readonly version: number }
  | { readonly problems: readonly FileProblem[] } {
  const source = text.replace(/^\ufeff/, '');
  const errors: ParseError[] = [];
  const root = parseTree(source, errors, { disallowComments: true });
  const lineOf = (offset: number) => source.slice(0, offset).split('\n').length;
  const [broken] = errors;
  if (!root || broken) {
    const at = lineOf(broken?.offset ?? 0);
    const why = broken
      ? printParseErrorCode(broken.error).replace(/(?<=.)[A-Z]/g, up => ` ${up.toLowerCase()}`)
      : 'empty';
    return { problems: [{ line: at, path: '', message: `is not JSON: ${why}` }] };
  }
  const checked = (standing ? purposesSchema : fileSchema).safeParse(JSON.parse(source));
  const schema = checked.success ? wholeOf(checked.data, standing) : undefined;
  const issues: Issue[] = [
    ...doubles(root),
    ...(schema ? contradictions(schema) : (checked.error?.issues ?? []).flatMap(sayIssue)),
  ];
  if (issues.length > 0 || !schema) {
    return {
      problems: issues.map(([path, message, offset]) => ({
        line: lineOf(offset ?? offsetOf(root, path)),
        path: written(path),
        message,
      })),
    };
  }
  return { schema, version: checked.data?.version ?? 1 };
}

/* What Keyhold itself holds it holds whatever a file says: a file that leaves these purposes out has them as shipped. */
function wholeOf(
  { purposes, attributes }: z.output<typeof purposesSchema>,
  standing: readonly Attribute[] = [],
): ProfileSchema {
  return { purposes: withHeld(purposes), attributes: attributes ?? standing };
}

/** With the purposes that the tables are held for, as shipped where they are missing. */
export function withHeld(purposes: readonly Purpose[]): readonly Purpose[] {
  const ids = purposes.map(({ id }) => id);
  const missing = heldPurposes().filter(id => !ids.includes(id));
  return missing.length === 0
    ? purposes
    : [...purposes, ...standardSchema().schema.purposes.filter(({ id }) => missing.includes(id))];
}

/** What is new, different and gone in a declaration: entries by kind and name. */
export function compareSchemas(
  now: ProfileSchema,
  next: ProfileSchema,
): Readonly<Record<'added' | 'changed' | 'removed', readonly string[]>> {
  const [before, after] = [entriesOf(now), entriesOf(next)];
  return {
    added: [...after.keys()].filter(name => !before.has(name)),
    changed: [...after]
      .filter(([name, text]) => before.has(name) && before.get(name) !== text)
      .map(([name]) => name),
    removed: [...before.keys()].filter(name => !after.has(name)),
  };
}

function entriesOf({ purposes, attributes }: ProfileSchema): ReadonlyMap<string, string> {
  return new Map([
    ...purposes.map(
      ({ version: _version, counts_from: _from, ...purpose }) =>
        [`purpose:${purpose.id}`, sameText(purpose)] as const,
    ),
    ...attributes.map(attribute => [`attribute:${attribute.name}`, sameText(attribute)] as const),
  ]);
}

/* The order of members says nothing, and the database keeps its own. */
function sameText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/* JSON lets a member stand twice and keeps the last one; nobody means that. */
function doubles(node: Node, path: Path = []): Issue[] {
  const children = node.children ?? [];
  if (node.type === 'array') return children.flatMap((child, at) => doubles(child, [...path, at]));
  const seen = new Set<string>();
  return children.flatMap(property => {
    const [key, value] = property.children ?? [];
    const name = String(key?.value);
    const twice: Issue[] = seen.has(name) ? [[[...path, name], 'stands twice', property.offset]] : [];
    seen.add(name);
    return value ? [...twice, ...doubles(value, [...path, name])] : twice;
  });
}

function offsetOf(root: Node, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node = findNodeAtLocation(root, path.slice(0, length) as (string | number)[]);
    if (node) return node.parent?.type === 'property' ? node.parent.offset : node.offset;
  }
  return 0;
}

function written(path: Path): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  );
}

function* twice(list: string, names: readonly string[]): Iterable<Issue> {
  for (const [at, name] of names.entries()) {
    if (names.indexOf(name) < at) yield [[list, at], `"${name}" stands twice`];
  }
}

/* Nothing would remove it: a time that is said and not kept to is worse than none. */
function* unkeptPromises({ purposes, attributes }: ProfileSchema): Iterable<Issue> {
  const elsewhere = new Map(
    attributes.flatMap(attribute =>
      isKept(attribute) ? [] : [[attribute.purpose, attribute.name] as const],
    ),
  );
  for (const [at, { id, retention }] of purposes.entries()) {
    if (retention === 'account' || id === 'proof') continue;
    const kept = elsewhere.get(id);
    const why = kept === undefined ? 'what Keyhold itself holds for it' : `"${kept}"`;
    if (kept !== undefined || heldPurposes().includes(id))
      yield [
        ['purposes', at, 'retention'],
        `must be "account", since ${why} is kept as long as that or for a time of its own`,
      ];
  }
}

/* What the entries are to each other, and to what apps were allowed before. */
function* contradictions({ purposes, attributes }: ProfileSchema): Iterable<Issue> {
  yield* unkeptPromises({ purposes, attributes });
  const ids = purposes.map(({ id }) => id);
  const names = attributes.map(({ name }) => name);
  yield* twice('purposes', ids);
  yield* twice('attributes', names);
  for (const [at, attribute] of attributes.entries()) {
    if (!ids.includes(attribute.purpose)) {
      yield [['attributes', at, 'purpose'], `there is no purpose "${attribute.purpose}" in this file`];
    }
    if (attribute.scope !== undefined && attribute.scope !== coreScopeOf(attribute.name)) {
      yield [
        ['attributes', at, 'scope'],
        `apps that were allowed "${attribute.scope}" before would learn this and nobody would be asked; leave it out, and apps ask for "${attribute.name}" by name`,
      ];
    }
    if (isKept(attribute) && attribute.change.includes('person') && !attribute.see.includes('person')) {
      yield [['attributes', at, 'change'], 'lets the person change what they may not see'];
    }
    if (isKept(attribute) && attribute.limits.approval && !attribute.see.includes('operator')) {
      yield [['attributes', at, 'see'], 'leaves out the operator, who has to allow changes of it'];
    }
    if (isKept(attribute) && attribute.type === 'choice') {
      const values = attribute.choices.map(({ value }) => value);
      for (const [, message] of twice('choices', values)) yield [['attributes', at, 'choices'], message];
    }
  }
  const missing = Object.values<readonly string[]>(ELSEWHERE)
    .flat()
    .filter(name => !names.includes(name));
  for (const name of missing)
    yield [['attributes'], `"${name}" is missing: it is held all the same, so say why`];
}

let shipped: { readonly schema: ProfileSchema; readonly version: number; readonly text: string } | undefined;

/** The claims of OpenID Connect Core §5.1, each with a purpose: what stands until an operator says otherwise. */
export function standardSchema(): {
  readonly schema: ProfileSchema;
  readonly version: number;
  readonly text: string;
} {
  if (!shipped) {
    const text = readFileSync(
      fileURLToPath(new URL('../../../../profile/standard.json', import.meta.url)),
      'utf8',
    );
    const { version, purposes, attributes } = fileSchema.parse(JSON.parse(text));
    shipped = { schema: { purposes, attributes }, version, text };
  }
  return shipped;
}

/* OpenID Connect Core §5.4 says which scope stands for which claims: what is shipped says it for us. */
function coreScopeOf(name: string): string | undefined {
  return standardSchema().schema.attributes.find(attribute => attribute.name === name)?.scope;
}

/** The attributes that the profile itself keeps. */
export function keptAttributes(schema: ProfileSchema): readonly KeptAttribute[] {
  return schema.attributes.filter(isKept);
}

/** The attributes that are pictures. */
export function pictureAttributes(schema: ProfileSchema): readonly string[] {
  return keptAttributes(schema).flatMap(({ type, name }) => (type === 'picture' ? [name] : []));
}

/** Why an attribute is held. */
export function purposeOf(schema: ProfileSchema, attribute: Attribute): Purpose {
  const purpose = schema.purposes.find(({ id }) => id === attribute.purpose);
  if (!purpose) throw new Error(`${attribute.name} has no purpose`);
  return purpose;
}
