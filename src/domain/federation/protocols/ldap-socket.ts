import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';

/* Nobody's entry and groups are larger than that. */
const MOST_BYTES = 2_097_152;
/* LDAPMessage 1, ExtendedRequest 1.3.6.1.4.1.1466.20037 (RFC 4511 §4.12 and §4.14.1). */
const START_TLS = Buffer.concat([
  Buffer.from('301d02010177188016', 'hex'),
  Buffer.from('1.3.6.1.4.1.1466.20037', 'ascii'),
]);
/* Its answer: the same message, ExtendedResponse, resultCode success. */
const SAID_YES = /^30(?:[0-7].|81..|82....)02010178(?:[0-7].|81..|82....)0a0100/;

/** The host of an address, as sockets take it. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** Connects, in that many milliseconds or not at all. */
export function connectTo(url: URL, timeout: number): Promise<Socket> {
  const port = Number(url.port || (url.protocol === 'ldaps:' ? 636 : 389));
  const socket = connect({ host: hostOf(url), port, autoSelectFamily: true });
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    const give = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeout, () => give(new Error('no connection in time')));
    socket.once('error', give);
    socket.once('connect', () => {
      socket.off('error', give);
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

/**
 * Asks for TLS on a connection on which nothing was said yet. What follows the answer in the clear is nobody's, and ends it: it
 * would be read as if it had come by TLS.
 */
export async function startTls(socket: Socket, timeout: number): Promise<void> {
  const answer = await new Promise<Buffer>((resolve, reject) => {
    let got = Buffer.alloc(0);
    const done = (error?: Error) => {
      socket.off('data', more).off('error', done).off('close', closed).setTimeout(0);
      if (error) reject(error);
      else resolve(got);
    };
    const closed = () => done(new Error('closed'));
    const more = (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      const length = lengthOf(got);
      if (length === undefined ? got.length > 1_000 : got.length > length)
        done(new Error('more than an answer'));
      else if (got.length === length) done();
    };
    socket.on('data', more).on('error', done).on('close', closed);
    socket.setTimeout(timeout, () => done(new Error('no answer in time')));
    socket.write(START_TLS);
  });
  socket.pause();
  if (!SAID_YES.test(answer.toString('hex'))) throw new Error('TLS was refused');
}

/* Of the message that begins here, as far as it says so yet (X.690 §8.1.3). */
function lengthOf(message: Buffer): number | undefined {
  const first = message[1];
  if (first === undefined) return undefined;
  if (first < 0x80) return 2 + first;
  const more = first & 0x7f;
  if (more > 2 || message.length < 2 + more) return undefined;
  return 2 + more + message.readUIntBE(2, more);
}

/** The end of a connection that gives no more than so many bytes, and never connects again. */
export function boundedEnd(socket: Socket, most = MOST_BYTES): Duplex {
  let left = most;
  const end = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, done),
    final: done => void socket.end(done),
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) end.destroy(new Error('the answer is too large'));
    else if (!end.push(chunk)) socket.pause();
  });
  socket.on('end', () => void end.push(null));
  socket.on('error', error => void end.destroy(error));
  socket.on('close', () => void end.destroy());
  return end;
}
