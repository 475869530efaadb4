import { request } from 'undici';
import type { World } from '#kit/runtime';
import type { Fault } from '#services/payments/sandbox';

/** Tells the pretended provider what to get wrong, past all proxies. Faults of several sources add up. */
export interface ProviderControl {
  /** The next `next` calls are struck. */
  inject(fault: BoundedFault): Promise<ProviderFault>;
}

export type BoundedFault = Fault & { readonly next: number };

export interface ProviderFault {
  /** Calls struck so far; the last known where the provider does not answer. */
  strikes(): Promise<number>;
  heal(): Promise<void>;
}

const timeoutMs = 5_000;
/** The provider may be killed or stopped just now, by another fault. */
const reachableWithinMs = 60_000;
const retryPauseMs = 100;
/** Harmless, and gone when the provider has been started again, which forgets all faults. */
const canary: Fault = { do: 'search-lag', ms: 1 };

interface Entry {
  fault: BoundedFault;
  struck: number;
}

export interface ProviderAddress {
  readonly host: string;
  readonly port: number;
  readonly key: string;
}

export function createProviderControl(at: ProviderAddress, { clock, timers }: World): ProviderControl {
  const active: Entry[] = [];
  let turn: Promise<unknown> = Promise.resolve();

  const call = async (faults?: readonly Fault[]): Promise<readonly Fault[]> => {
    const reply = await request(`http://${at.host}:${at.port}/sandbox/faults`, {
      method: faults ? 'PUT' : 'GET',
      headers: { authorization: `Bearer ${at.key}`, 'content-type': 'application/json' },
      ...(faults ? { body: JSON.stringify({ faults }) } : {}),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    const answer = (await reply.body.json()) as { faults?: Fault[] };
    if (reply.statusCode !== 200 || !answer.faults) throw new Error(`the provider answers ${reply.statusCode}`);
    return answer.faults;
  };

  /** What is left of each fault tells how often it struck. A spent fault is gone from the list. */
  async function look(): Promise<void> {
    const left = await call();
    if (!left.some((fault) => fault.do === canary.do)) {
      // It was started anew and has forgotten.
      if (active.length > 0) await set();
      return;
    }
    for (const entry of active) {
      const found = left.find((fault) => sameFault(fault, entry.fault)) as { next?: number } | undefined;
      const next = found?.next ?? 0;
      entry.struck += entry.fault.next - next;
      entry.fault = { ...entry.fault, next };
    }
  }

  const set = () => call([canary, ...active.map(({ fault }) => fault).filter(({ next }) => next > 0)]);

  async function patiently(work: () => Promise<unknown>): Promise<void> {
    const untilMs = clock.monotonicMs() + reachableWithinMs;
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (clock.monotonicMs() > untilMs) throw error;
        await timers.sleep(retryPauseMs);
      }
    }
  }

  /** One after the other: each reads, changes and writes the whole list. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = turn.then(work, work);
    turn = result.catch(() => {});
    return result;
  }

  return {
    inject: (fault) =>
      inTurn(async () => {
        await patiently(look);
        const entry: Entry = { fault, struck: 0 };
        active.push(entry);
        await patiently(set);
        return {
          strikes: () =>
            inTurn(async () => {
              await look().catch(() => {});
              return entry.struck;
            }),
          heal: () =>
            inTurn(async () => {
              await look().catch(() => {});
              active.splice(active.indexOf(entry), 1);
              await patiently(set);
            }),
        };
      }),
  };
}

function sameFault(a: Fault, b: Fault): boolean {
  const key = ({ next: _, ...rest }: Fault & { next?: number }) => JSON.stringify(Object.entries(rest).sort());
  return key(a) === key(b);
}
