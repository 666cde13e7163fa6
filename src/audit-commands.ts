import { parseArgs } from 'node:util';
import {
  checkHeads,
  type Fault,
  knownKeys,
  linesOf,
  sealEvents,
  signHead,
  verifyChain,
} from './domain/audit/audit.js';
import { openKeyring } from './platform/crypto/keyring.js';
import { Refusal } from './platform/errors.js';
import { answering, type Shell, Usage } from './platform/shell.js';

/** What `keyhold audit …` works with. */
export interface AuditCommand extends Shell {
  readonly config: { readonly issuer: URL; readonly secret: string; readonly auditHeads?: string };
}

export const AUDIT_USAGE = `keyhold audit verify [--heads FILE]...                       whether every event is as it was written, none is missing and
                                                             none was put in; with the heads in FILE, or KEYHOLD_AUDIT_HEADS
keyhold audit head                                           the end of the chain, signed: a line for such a file`;

/** Runs one verb and gives the exit code: 0 whole, 1 broken, 2 not understood. */
export function runAudit(words: readonly string[], command: AuditCommand): Promise<number> {
  return answering(command, AUDIT_USAGE, async () => {
    const { values, positionals } = parseArgs({
      args: [...words],
      options: { heads: { type: 'string', multiple: true } },
      allowPositionals: true,
    });
    const [verb, ...rest] = positionals;
    if (rest.length > 0) throw new Usage();
    if (verb === 'head' && !values.heads) return head(command);
    if (verb !== 'verify') throw new Usage();
    const { auditHeads } = command.config;
    return verify(values.heads ?? (auditHeads === undefined ? [] : [auditHeads]), command);
  });
}

async function head({ db, config, print }: AuditCommand): Promise<undefined> {
  const parts = { db, keyring: openKeyring(config.secret), issuer: config.issuer };
  await sealEvents(parts);
  const signed = await signHead(parts);
  if (!signed) throw new Refusal('missing', 'no_events', 'Nothing has happened yet.');
  print(`${JSON.stringify(signed)}\n`);
}

async function verify(files: readonly string[], { db, config, print }: AuditCommand): Promise<object> {
  const keyring = openKeyring(config.secret);
  const { issuer } = config;
  const { fault, nr: blocks, events, forgotten } = await verifyChain({ db, keyring });
  const tell = (found: Fault): never => {
    print(`${JSON.stringify({ whole: false, ...found }, null, 2)}\n`);
    throw new Refusal('conflict', 'chain_broken', sentenceOf(found));
  };
  if (fault) return tell(fault);
  const keys = await knownKeys(db, keyring);
  let heads = 0;
  for (const file of files) {
    const seen = await checkHeads({ db, keys, issuer }, linesOf(file)).catch((cause: Error) => {
      throw new Refusal('invalid', 'unreadable', `${file} cannot be read: ${cause.message}`, { cause });
    });
    if (seen.fault) return tell(seen.fault);
    if (seen.heads === 0) throw new Refusal('invalid', 'no_heads', `${file} has no head in it.`);
    heads += seen.heads;
  }
  return { whole: true, events: events - forgotten, forgotten, blocks, heads };
}

function sentenceOf(fault: Fault): string {
  switch (fault.what) {
    case 'altered':
      return `The event ${fault.event} is not as it was when it was sealed (block ${fault.block}).`;
    case 'gone':
      return `The event ${fault.event} is not there any more.`;
    case 'added':
      return `The event ${fault.event} was put there past the chain.`;
    case 'block_gone':
      return `Block ${fault.block} of the chain is not there any more.`;
    case 'block_altered':
      return `Block ${fault.block} does not follow from its events and the block before.`;
    case 'block_forged':
      return `Block ${fault.block} was signed with no key of this installation's secret.`;
    case 'cut':
      return `The end was cut: a head names block ${fault.block}, and the last one is ${fault.last}; ${fault.events} events are missing.`;
    case 'rewritten':
      return `Block ${fault.block} is another one than its head says: the chain was written anew.`;
    case 'head_forged':
      return `The head on line ${fault.line} is none of ours, or was changed.`;
  }
}
