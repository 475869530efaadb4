import nodeCrypto from 'node:crypto';
import { performance } from 'node:perf_hooks';

/**
 * The system's own time and chance, as found when the process started: whatever is put in their place later (the guard,
 * a library's fake timers) doesn't reach the ports, which are the one way to them.
 */
export const originals = {
  now: Date.now,
  monotonicMs: performance.now.bind(performance),
  random: Math.random,
  fill: nodeCrypto.randomFillSync,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setImmediate: globalThis.setImmediate,
} as const;
