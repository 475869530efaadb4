/** One client's turn: one order, resolved when it is done. */
export type Turn = (client: number) => Promise<void>;

export interface LoadResult {
  readonly perSec: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly count: number;
}

export interface LoadOptions {
  readonly clients: number;
  readonly turn: Turn;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** A closed loop: each client begins its next order when the last one is answered. */
export async function runLoad({ clients, turn, warmUpMs, measureMs }: LoadOptions): Promise<LoadResult> {
  const startMs = performance.now();
  const fromMs = startMs + warmUpMs;
  const untilMs = fromMs + measureMs;
  const latencies: number[] = [];
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let nowMs = performance.now(); nowMs < untilMs; ) {
        await turn(client);
        const endMs = performance.now();
        if (nowMs >= fromMs && endMs <= untilMs) latencies.push(endMs - nowMs);
        nowMs = endMs;
      }
    }),
  );
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return {
    perSec: latencies.length / (measureMs / 1000),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    count: latencies.length,
  };
}
