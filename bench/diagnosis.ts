import { monitorEventLoopDelay } from 'node:perf_hooks';
import { exportJWK, generateKeyPair } from 'jose';
import pg from 'pg';
import { SigningKey } from '../src/oidc/signing-key.js';
import { quantile } from './statistics.js';

/** What a server under measurement tells of itself. */
export interface Diagnosis {
  /** Microseconds of processor time, of all its threads. */
  readonly cpu: number;
  readonly rss: number;
  /** Statements sent to the database by the server's own pools, BEGIN and COMMIT included. */
  readonly trips: number;
  /** How late the event loop was since `watch`, in milliseconds. */
  readonly loop: { readonly p99: number; readonly max: number };
  /** How long a signature of ES256 took, as the product makes them, since `watch`, in milliseconds. */
  readonly signing: { readonly p99: number; readonly count: number };
}

export type Question = 'tell' | 'watch' | 'end';

/** Answers the bench over the channel that it opened to this process when it started it; the product has none. */
export async function diagnose(stop: () => Promise<void>): Promise<void> {
  const trips = countTrips();
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const key = new SigningKey({ ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'probe' });
  const probe = Buffer.alloc(300, 'probe');
  let signatures: number[] = [];
  const sign = async () => {
    const began = performance.now();
    await key.sign(probe);
    signatures.push(performance.now() - began);
  };
  const watch = () => {
    loop.enable();
    loop.reset();
    signatures = [];
    setInterval(() => void sign(), 10);
  };
  const tell = (): Diagnosis => {
    const { user, system } = process.cpuUsage();
    return {
      cpu: user + system,
      rss: process.memoryUsage.rss(),
      trips: trips(),
      loop: { p99: loop.percentile(99) / 1e6, max: loop.max / 1e6 },
      signing: { p99: quantile(signatures, 0.99), count: signatures.length },
    };
  };
  process.on('message', (question: Question) => {
    if (question === 'watch') watch();
    if (question === 'end') void stop().then(() => process.exit(0));
    else process.send?.(tell());
  });
}

function countTrips(): () => number {
  let trips = 0;
  const original = pg.Client.prototype.query;
  const counting = function (this: pg.Client, ...parameters: readonly unknown[]) {
    const { connectionParameters } = this as pg.Client & {
      readonly connectionParameters: { readonly application_name?: string };
    };
    if (connectionParameters.application_name === 'keyhold') trips += 1;
    return Reflect.apply(original, this, parameters);
  };
  Object.assign(pg.Client.prototype, { query: counting });
  return () => trips;
}
