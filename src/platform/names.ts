import { Resolver } from 'node:dns/promises';

/** Asks the DNS. */
export interface Names {
  /** The texts of a name's TXT records; none where there is no such name or record. Throws where nobody answers. */
  texts(name: string): Promise<readonly string[]>;
}

const NOTHING: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA']);

/** Asks the servers that this machine asks, or these (`ADDRESS` or `ADDRESS:PORT`). */
export function openNames(servers?: readonly string[]): Names {
  return {
    texts: async name => {
      /* One that was cancelled or timed out stays so; it holds nothing that is worth keeping. */
      const resolver = new Resolver({ timeout: 2_000, tries: 2 });
      if (servers) resolver.setServers(servers);
      try {
        const records = await resolver.resolveTxt(name);
        return records.map(pieces => pieces.join(''));
      } catch (error) {
        if (NOTHING.has((error as NodeJS.ErrnoException).code)) return [];
        throw error;
      }
    },
  };
}
