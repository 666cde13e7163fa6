import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ipaddr from 'ipaddr.js';
import { type CountryResponse, Reader } from 'mmdb-lib';
import { isPublicAddress } from './addresses.js';

/** Says in which country a network address is, as far as registries know. */
export interface Places {
  /** The two letters of ISO 3166-1; undefined when nobody knows, as for an address of a private network. */
  countryOf(address: string): Promise<string | undefined>;
}

/* Files of this kind have either of two shapes. */
type Entry = CountryResponse & { readonly country_code?: string };

/** The countries of the registries (CC0), as a package of npm. */
const SHIPPED = fileURLToPath(
  import.meta.resolve('@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'),
);

/**
 * Opens an MMDB file when the first address is asked for. The file stays in memory once, outside of the heap (8 MB for the one
 * that is shipped), and nothing is kept beside it. A file that cannot be read is noted once, and every place is unknown then:
 * nothing fails for it.
 */
export function openPlaces(note: (trouble: unknown) => void, file: string = SHIPPED): Places {
  let reading: Promise<Reader<CountryResponse> | undefined> | undefined;
  const read = () =>
    readFile(file)
      .then(bytes => new Reader<CountryResponse>(bytes))
      .catch((trouble: unknown) => void note(trouble));
  return {
    countryOf: async address => {
      const plain = plainAddress(address);
      if (plain === undefined) return undefined;
      reading ??= read();
      return codeIn(await reading, plain);
    },
  };
}

function codeIn(reader: Reader<CountryResponse> | undefined, address: string): string | undefined {
  const entry: Entry | null | undefined = reader?.get(address);
  const code = entry?.country_code ?? entry?.country?.iso_code;
  return code !== undefined && /^[A-Z]{2}$/.test(code) ? code : undefined;
}

function plainAddress(address: string): string | undefined {
  if (!ipaddr.isValid(address)) return undefined;
  const plain = ipaddr.process(address).toString();
  return isPublicAddress(plain) ? plain : undefined;
}
