import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
} from 'cockatiel';
import { UpstreamTrouble } from './upstream.js';

/** After so many failures in a row a provider is asked no more, until a probe gets through. */
export const BREAKER = { failures: 5, probeAfter: 30_000 } as const;

/** What keeps a provider that does not answer from keeping people waiting: one breaker for each, in this process. */
export interface Breakers {
  /** Asks, unless the provider failed too often just now; after a while one asks again, and is the probe. */
  guard<T>(id: string, ask: () => Promise<T>): Promise<T>;
  /** Whether asking makes sense now: it is not open, or a probe is due. */
  answers(id: string): boolean;
  /** Begins anew, since the provider was changed. */
  forget(id: string): void;
}

/* What a provider answered in time is an answer, whatever it says. */
const isOutage = (error: unknown) => error instanceof UpstreamTrouble && error.kind === 'unreachable';

interface Kept {
  readonly policy: CircuitBreakerPolicy;
  openedAt: number;
}

/** Opens the breakers of one process. */
export function openBreakers({
  failures,
  probeAfter,
}: {
  readonly failures: number;
  readonly probeAfter: number;
} = BREAKER): Breakers {
  const kept = new Map<string, Kept>();
  const of = (id: string): Kept => {
    const there = kept.get(id);
    if (there) return there;
    const policy = circuitBreaker(handleWhen(isOutage), {
      halfOpenAfter: probeAfter,
      breaker: new ConsecutiveBreaker(failures),
    });
    const made: Kept = { policy, openedAt: 0 };
    policy.onBreak(() => {
      made.openedAt = performance.now();
    });
    kept.set(id, made);
    return made;
  };
  return {
    guard: async (id, ask) => {
      try {
        return await of(id).policy.execute(ask);
      } catch (error) {
        if (error instanceof BrokenCircuitError) throw new UpstreamTrouble('unreachable', 'resting', error);
        throw error;
      }
    },
    answers: id => {
      const breaker = kept.get(id);
      if (breaker?.policy.state !== CircuitState.Open) return true;
      return performance.now() - breaker.openedAt >= probeAfter;
    },
    forget: id => void kept.delete(id),
  };
}
