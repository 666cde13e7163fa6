import { inviteVisitors } from './load.js';
import type { Operation } from './operations.js';
import { quantile } from './statistics.js';
import type { Target } from './visitor.js';

/** What fifty people who sign in with a password at once do to everybody else. */
export interface Pressure {
  readonly scheme: string;
  readonly signedIn: number;
  /** Told to come again in a few seconds, since the queue of passwords was full. */
  readonly turnedAway: number;
  readonly loopP99: number;
  readonly loopMax: number;
  readonly signingP99: number;
  /** Of a client-credentials request that gets a signed JWT, one after the other. */
  readonly tokenP50: number;
  readonly tokenP99: number;
}

/** Lets fifty visitors sign in side by side for a while, and watches the event loop, signatures and a signed token. */
export async function underPressure(
  target: Target,
  signIn: Operation,
  signed: Operation,
  scheme: 'bcrypt' | 'argon2id',
  milliseconds: number,
): Promise<Pressure> {
  const visitors = await inviteVisitors(target, signIn, scheme, 50);
  const [bystander] = visitors;
  if (!bystander) throw new Error('nobody came');
  const tokens: number[] = [];
  let signedIn = 0;
  let turnedAway = 0;
  await signed.run(target, bystander);
  await target.served.ask('watch');
  const until = performance.now() + milliseconds;
  const signingIn = visitors.map(async visitor => {
    while (performance.now() < until) {
      try {
        await signIn.run(target, visitor);
        signedIn += 1;
      } catch (error) {
        if (!/: 503 /.test(String(error))) throw error;
        turnedAway += 1;
        await new Promise(resolve => setTimeout(resolve, 250));
      }
    }
  });
  const watching = (async () => {
    while (performance.now() < until) {
      const began = performance.now();
      await signed.run(target, bystander);
      tokens.push(performance.now() - began);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  })();
  await watching;
  const { loop, signing } = await target.served.ask();
  await Promise.all(signingIn);
  return {
    scheme,
    signedIn,
    turnedAway,
    loopP99: loop.p99,
    loopMax: loop.max,
    signingP99: signing.p99,
    tokenP50: quantile(tokens, 0.5),
    tokenP99: quantile(tokens, 0.99),
  };
}
