import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { slapdHere } from '../support/slapd.js';

/** Tries Keyhold with programs that are not in the npm registry; says plainly when one of them is not here. */
const root = fileURLToPath(new URL('../../../', import.meta.url));

if (!slapdHere()) {
  process.stderr.write(
    'OpenLDAP is not installed here, so nothing was tried with it. With Debian: apt-get install slapd ldap-utils\n',
  );
  process.exitCode = 1;
} else {
  const jest = [
    '--experimental-vm-modules',
    'node_modules/jest/bin/jest.js',
    '--testMatch',
    '**/peers/*.peers.js',
  ];
  const { status } = spawnSync(process.execPath, jest, { cwd: root, stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
