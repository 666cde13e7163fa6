import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerDataStream } from 'smtp-server';

/** What the sink does with the next mail. */
export type SmtpBehaviour = 'accept' | '451' | '550' | 'hang' | 'drop-after-data';

/** A mail as it came over the wire. */
export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: string;
  /** Whether it was answered with 250. */
  readonly accepted: boolean;
}

/** An SMTP server that behaves as a test tells it to. */
export interface SmtpSink {
  readonly url: string;
  readonly port: number;
  readonly received: readonly ReceivedMail[];
  /** How each of the next mails is met; after the last one they are accepted. */
  behave(...behaviours: SmtpBehaviour[]): void;
  close(): Promise<void>;
}

/** Opens a sink on a free loopback port (or on `port`). */
export async function openSmtpSink(port = 0): Promise<SmtpSink> {
  const received: ReceivedMail[] = [];
  const planned: SmtpBehaviour[] = [];
  const sockets = new Set<{ destroy(): void }>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 100,
    onData: (stream: SMTPServerDataStream, session, done) => {
      const behaviour = planned.shift() ?? 'accept';
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          raw: Buffer.concat(chunks).toString('utf8'),
          accepted: behaviour === 'accept',
        });
        answer(behaviour, done);
      });
    },
  });
  const answer = (behaviour: SmtpBehaviour, done: (error?: Error | null) => void) => {
    if (behaviour === 'accept') return done();
    if (behaviour === 'hang') return;
    if (behaviour === 'drop-after-data') {
      for (const socket of sockets) socket.destroy();
      return;
    }
    const sentence = behaviour === '451' ? 'try again later' : 'no such mailbox';
    done(Object.assign(new Error(sentence), { responseCode: Number(behaviour) }));
  };
  server.on('error', () => undefined);
  server.server.on('connection', socket => {
    sockets.add(socket);
    socket.on('close', () => void sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server.server, 'listening');
  const at = (server.server.address() as AddressInfo).port;
  return {
    url: `smtp://127.0.0.1:${at}`,
    port: at,
    received,
    behave: (...behaviours) => void planned.push(...behaviours),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>(resolve => void server.close(() => resolve()));
    },
  };
}
