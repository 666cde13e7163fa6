import { randomBytes } from 'node:crypto';
import { chmod, chown, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import type { RunAs } from './embedded-native.js';
import { keepOnce, makeFolder, prepareFolder } from './folder.js';
import { errorCode, fileTrouble, OR_ANOTHER_DATABASE, StorageTrouble } from './trouble.js';

/** What an installation keeps about its embedded cluster, in a file for its owner alone. */
export type ClusterNotes = Readonly<z.infer<typeof notesSchema>>;

/** Where an embedded cluster lives and who runs it. */
export interface ClusterHome {
  /** The folder that belongs to whoever runs Postgres. */
  readonly folder: string;
  /** The data directory of Postgres inside it. */
  readonly cluster: string;
  /** The folder of its local socket; undefined when the path is too long for one. */
  readonly socketFolder: string | undefined;
  readonly runAs: RunAs | undefined;
  readonly notes: ClusterNotes;
}

const notesSchema = z.object({
  folder: z.string(),
  port: z.number().int(),
  superuser: z.string(),
  owner: z.string(),
  app: z.string(),
});

const NOTES = 'database.json';

/** Opens or makes the home of the cluster that belongs to `dataDir`. */
export async function openHome(dataDir: string): Promise<ClusterHome> {
  const path = resolve(dataDir);
  await prepareFolder(path);
  const runAs = process.getuid?.() === 0 ? await chooseUser(join(path, 'postgres')) : undefined;
  const notes = await readNotes(path, await chooseFolder(path, runAs));
  const owner = runAs ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  await giveFolder(notes.folder, owner);
  const socketFolder = notes.folder.length > 85 || process.platform === 'win32' ? undefined : notes.folder;
  return { folder: notes.folder, cluster: join(notes.folder, 'cluster'), socketFolder, runAs, notes };
}

async function readNotes(dataDir: string, folder: string): Promise<ClusterNotes> {
  const path = join(dataDir, NOTES);
  if (await hasCluster(folder)) {
    await readFile(path).catch(error => {
      throw errorCode(error) === 'ENOENT'
        ? new StorageTrouble(
            `${path} is missing, and with it the passwords of the database beside it; restore that file from a backup, or move ${folder} away to begin empty.`,
          )
        : fileTrouble(path, error);
    });
  }
  const port = await freePort();
  const secret = (): string => randomBytes(24).toString('base64url');
  const text = await keepOnce(
    path,
    () =>
      `${JSON.stringify({ folder, port, superuser: secret(), owner: secret(), app: secret() }, null, 2)}\n`,
  );
  try {
    return await followMove(notesSchema.parse(JSON.parse(text)), folder);
  } catch (error) {
    throw new StorageTrouble(
      `${path} is damaged; restore it from a backup, or move ${dataDir} away to begin empty.`,
      error,
    );
  }
}

// A data folder that was moved or mounted elsewhere brings its cluster along.
async function followMove(notes: ClusterNotes, folder: string): Promise<ClusterNotes> {
  return notes.folder !== folder && (await hasCluster(folder)) ? { ...notes, folder } : notes;
}

async function hasCluster(folder: string): Promise<boolean> {
  return (await stat(join(folder, 'cluster')).catch(() => undefined)) !== undefined;
}

/** A port of the loopback interface that nobody listens on right now. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

async function giveFolder(
  folder: string,
  owner: { readonly uid: number; readonly gid: number },
): Promise<void> {
  try {
    const found = await stat(folder).catch(() => undefined);
    if (!found) {
      // Whatever our umask is, whoever runs Postgres must get through.
      if (await makeFolder(dirname(folder), 0o755)) await chmod(dirname(folder), 0o755);
      await makeFolder(folder, 0o700);
    }
    if (process.platform === 'win32') return;
    if (found && process.getuid?.() !== 0 && found.uid !== owner.uid) {
      throw new StorageTrouble(
        `${folder} belongs to another user (uid ${found.uid}); start Keyhold as that user, change its owner, or set KEYHOLD_DATA_DIR to another folder.`,
      );
    }
    if (!found || found.uid !== owner.uid) await chown(folder, owner.uid, owner.gid);
    await chmod(folder, 0o700);
  } catch (error) {
    throw fileTrouble(folder, error);
  }
}

// Beside the other files where whoever runs Postgres can get there; else where every user can.
async function chooseFolder(dataDir: string, runAs: RunAs | undefined): Promise<string> {
  if (!runAs || (await canPass(dataDir, runAs))) return join(dataDir, 'postgres');
  return join('/var/lib/keyhold', randomBytes(6).toString('hex'));
}

async function canPass(path: string, user: RunAs): Promise<boolean> {
  const { mode, uid, gid } = await stat(path);
  const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  if ((mode & bit) === 0) return false;
  return path === dirname(path) || canPass(dirname(path), user);
}

// An existing cluster says who runs it; otherwise an unprivileged user that is there already.
async function chooseUser(folder: string): Promise<RunAs> {
  const users = await knownUsers();
  const owner = (await stat(folder).catch(() => undefined)) ?? { uid: 0, gid: 0 };
  if (owner.uid !== 0) return users.find(user => user.uid === owner.uid) ?? { ...pick(owner), name: '?' };
  for (const name of ['postgres', 'nobody', 'daemon']) {
    const user = users.find(known => known.name === name && known.uid !== 0);
    if (user) return user;
  }
  throw new StorageTrouble(
    `Postgres refuses to run as root and this system has no unprivileged user for it; start Keyhold as another user, ${OR_ANOTHER_DATABASE}.`,
  );
}

function pick(owner: { readonly uid: number; readonly gid: number }): { uid: number; gid: number } {
  return { uid: owner.uid, gid: owner.gid };
}

async function knownUsers(): Promise<readonly RunAs[]> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '');
  return text.split('\n').flatMap(line => {
    const [name, , uid, gid] = line.split(':');
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}
