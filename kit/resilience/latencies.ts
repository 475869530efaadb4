/** The recent latencies of an operation, to know which call is unusually slow. */
export interface Latencies {
  record(durationMs: number): void;
  /** The percentile of the recent ones; undefined until there are enough to tell. */
  readonly percentileMs: number | undefined;
}

export interface LatenciesOptions {
  /** Default 0.95. */
  readonly percentile?: number;
}

/** Samples kept. Two or three seconds of an operation called a hundred times a second. */
const sampleCount = 256;
/** Sorting 256 numbers takes some 10 µs; done every 32 calls that is a third of a microsecond a call. */
const sortEvery = 32;

export function createLatencies({ percentile = 0.95 }: LatenciesOptions = {}): Latencies {
  const samples = new Float64Array(sampleCount);
  let recorded = 0;
  let percentileMs: number | undefined;
  return {
    get percentileMs() {
      return percentileMs;
    },
    record(durationMs) {
      samples[recorded % sampleCount] = durationMs;
      recorded++;
      if (recorded % sortEvery !== 0) return;
      const known = samples.slice(0, Math.min(recorded, sampleCount)).sort();
      percentileMs = known[Math.min(known.length - 1, Math.floor(known.length * percentile))];
    },
  };
}
