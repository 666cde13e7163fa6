import { tellDue } from '../../src/domain/commands/commands.js';
import { openTokenSigner } from '../../src/oidc/token-signer.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openOutbound } from '../../src/platform/outbound.js';
import { openDatabase } from '../../src/platform/storage/db.js';

/* A process that tells apps what is due and ends; the test that starts it may kill it on the way. */
const [databaseUrl = '', secret = '', issuer = '', later = '0', patience = '5000'] = process.argv.slice(2);
const db = openDatabase(databaseUrl);
const keyring = openKeyring(secret);
const outbound = openOutbound({ allowPrivateNetwork: true });
await tellDue(
  {
    db,
    keyring,
    outbound,
    issuer: new URL(issuer),
    sign: openTokenSigner(db, keyring),
    clock: () => new Date(Date.now() + Number(later)),
    patience: Number(patience),
  },
  new AbortController().signal,
);
await outbound.close();
await db.destroy();
process.stdout.write(`${process.resourceUsage().maxRSS}\n`);
