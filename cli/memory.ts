import v8 from 'node:v8';

/**
 * Of what survived the last full collection; the engine's own choice lets a small heap grow to four times that. At 150 a fast
 * machine, which makes more orders in its time, passed 400 MB; 50 costs some hundredths of the throughput.
 */
const heapGrowthPercent = 50;

/**
 * A process with all services holds 70 MB that live, after 35,000 payments at its sandbox provider 120, and let itself grow to
 * 300 before it looked what could go. Now it stays below 350 MB resident under any load of ours (`npm run -s bench -- memory`).
 */
export function boundHeapGrowth(): void {
  v8.setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent}`);
}
