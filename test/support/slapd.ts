import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { until } from './jobs.js';

/** OpenLDAP, as Debian ships it, with people of Acme. */
export interface Slapd {
  readonly base: string;
  readonly bindDn: string;
  readonly bindPassword: string;
  /** In the clear until StartTLS, without which it lets nobody bind. */
  readonly url: string;
  readonly secureUrl: string;
  readonly caFile: string;
  close(): Promise<void>;
}

const BASE = 'dc=acme,dc=test';
const BIND_DN = `cn=keyhold,${BASE}`;
const BIND_PASSWORD = 'looks people up';

/** The programs that it takes; undefined where they are not installed. */
export function slapdHere(): { readonly slapd: string; readonly slapadd: string } | undefined {
  const where = (name: string) => {
    try {
      return execFileSync('sh', ['-c', `PATH="$PATH:/usr/sbin" command -v ${name}`], {
        encoding: 'utf8',
      }).trim();
    } catch {
      return undefined;
    }
  };
  const [slapd, slapadd] = ['slapd', 'slapadd'].map(where);
  return slapd && slapadd ? { slapd, slapadd } : undefined;
}

/** Starts one in a folder of its own, with these entries beside the base and who looks people up. */
export async function startSlapd(entries: string): Promise<Slapd> {
  const programs = slapdHere();
  if (!programs) throw new Error('slapd is not installed here');
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-slapd-'));
  mkdirSync(join(folder, 'data'));
  const [port, securePort] = [await freePort(), await freePort()];
  const caFile = await writeCertificate(folder);
  const conf = join(folder, 'slapd.conf');
  writeFileSync(conf, confOf(folder));
  writeFileSync(join(folder, 'entries.ldif'), `${OURS}\n${entries}`);
  execFileSync(programs.slapadd, ['-f', conf, '-l', join(folder, 'entries.ldif')], { stdio: 'pipe' });
  const [url, secureUrl] = [`ldap://localhost:${port}`, `ldaps://localhost:${securePort}`];
  const server = spawn(programs.slapd, ['-f', conf, '-h', `${url}/ ${secureUrl}/`, '-d', '0'], {
    stdio: 'ignore',
  });
  await until(() => answers(port));
  return {
    base: BASE,
    bindDn: BIND_DN,
    bindPassword: BIND_PASSWORD,
    url,
    secureUrl,
    caFile,
    close: () => stopped(server, folder),
  };
}

const OURS = `dn: ${BASE}
objectClass: dcObject
objectClass: organization
dc: acme
o: Acme

dn: ${BIND_DN}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: keyhold
userPassword: ${BIND_PASSWORD}

dn: cn=policy,${BASE}
objectClass: applicationProcess
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 3
pwdMustChange: TRUE
`;

function confOf(folder: string): string {
  return `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile ${folder}/slapd.pid
TLSCACertificateFile ${folder}/ca.pem
TLSCertificateFile ${folder}/ca.pem
TLSCertificateKeyFile ${folder}/key.pem
security simple_bind=128
database mdb
suffix "${BASE}"
rootdn "cn=root,${BASE}"
directory ${folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${BIND_DN}" read by * none
overlay memberof
overlay ppolicy
ppolicy_default "cn=policy,${BASE}"
`;
}

async function writeCertificate(folder: string): Promise<string> {
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
    ],
  });
  writeFileSync(join(folder, 'ca.pem'), made.cert);
  writeFileSync(join(folder, 'key.pem'), made.private);
  return join(folder, 'ca.pem');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return port;
}

async function answers(port: number): Promise<boolean> {
  const { connect } = await import('node:net');
  return new Promise(resolve => {
    const socket = connect(port, 'localhost');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function stopped(server: ChildProcess, folder: string): Promise<void> {
  const gone = new Promise(resolve => server.once('exit', resolve));
  server.kill('SIGTERM');
  await gone;
  rmSync(folder, { recursive: true });
}
