/** One client's turn: one order, resolved when it is done. */
export type Turn = (client: number) => Promise<void>;

export interface LoadResult {
  readonly perSec: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Ended well within the measured time. */
  readonly count: number;
  /** Ended well at all, with those of the warm-up and of the end. */
  readonly countAll: number;
  readonly errors: number;
  readonly firstError?: string;
}

export interface LoadOptions {
  readonly clients: number;
  readonly turn: Turn;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Ends early after so many. */
  readonly turnsMax?: number;
  readonly onMeasure?: () => void;
}

/** A server that refuses everything must not be asked for seconds on end. */
const errorsMax = 50;

/** A closed loop: each client begins its next order when the last one is answered. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { clients, turn, warmUpMs, measureMs, turnsMax = Number.POSITIVE_INFINITY, onMeasure } = options;
  const fromMs = performance.now() + warmUpMs;
  const untilMs = fromMs + measureMs;
  const latencies: number[] = [];
  let [begun, countAll, errors] = [0, 0, 0];
  let firstError: string | undefined;

  async function client(number: number): Promise<void> {
    for (let nowMs = performance.now(); nowMs < untilMs && begun < turnsMax && errors < errorsMax; ) {
      begun += 1;
      try {
        await turn(number);
        countAll += 1;
      } catch (error) {
        errors += 1;
        firstError ??= error instanceof Error ? error.message : String(error);
      }
      const endMs = performance.now();
      // What ends in the measured time counts, whenever it began: what begins and does not end makes up for it.
      if (endMs >= fromMs && endMs < untilMs) latencies.push(endMs - nowMs);
      nowMs = endMs;
    }
  }

  const timer = setTimeout(() => onMeasure?.(), warmUpMs);
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  clearTimeout(timer);
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return {
    perSec: latencies.length / (measureMs / 1000),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    count: latencies.length,
    countAll,
    errors,
    ...(firstError === undefined ? {} : { firstError }),
  };
}
