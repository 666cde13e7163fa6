/** One entry of a directory; attributes are found whatever the case of their names (RFC 4512 §2.5). */
export interface LdapEntry {
  readonly dn: string;
  text(attribute: string): string | undefined;
  texts(attribute: string): readonly string[];
  bytes(attribute: string): Buffer | undefined;
}

/* No entry says more than that of one attribute. */
const MOST_VALUES = 500;
const LONGEST_VALUE = 4_096;

/** Reads an entry as the library gives it; what is not text is text to nobody. */
export function entryOf({ dn, ...attributes }: Readonly<Record<string, unknown>>): LdapEntry {
  const known = new Map(Object.entries(attributes).map(([name, value]) => [name.toLowerCase(), value]));
  const values = (attribute: string) =>
    [known.get(attribute.toLowerCase()) ?? []].flat() as readonly unknown[];
  const texts = (attribute: string) =>
    values(attribute)
      .filter(value => typeof value === 'string')
      .filter(value => value !== '' && value.length <= LONGEST_VALUE)
      .slice(0, MOST_VALUES);
  return {
    dn: typeof dn === 'string' ? dn : '',
    texts,
    text: attribute => texts(attribute)[0],
    bytes: attribute => {
      const [first] = values(attribute);
      return Buffer.isBuffer(first) && first.length > 0 ? first : undefined;
    },
  };
}

/** Sixteen bytes as Active Directory writes them: the first three parts with their least byte first ([MS-DTYP] §2.3.4.2). */
export function guidOf(bytes: Buffer): string | undefined {
  if (bytes.length !== 16) return undefined;
  const hex = (from: number, to: number, swapped = false) => {
    const part = Buffer.from(bytes.subarray(from, to));
    return (swapped ? part.reverse() : part).toString('hex');
  };
  return [hex(0, 4, true), hex(4, 6, true), hex(6, 8, true), hex(8, 10), hex(10, 16)].join('-');
}
