import nodeCrypto from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Random } from '#kit/runtime';

/** What a WASM PostgreSQL sees of the world while one of its calls is under way. */
export interface Surroundings {
  /** Wall time in milliseconds, as this server's clock shows it. */
  readonly wallMs: () => number;
  readonly entropy: Random;
}

let current: Surroundings | undefined;
let timersMuted = false;
let installed = false;
/** Timers armed while a server is made. Making needs some of them; those left over would wake it later. */
let armedMeanwhile: NodeJS.Timeout[] = [];

/** Time zero of the monotonic clock that WASM sees: any constant will do, as long as it is one. */
const monotonicStartMs = Date.UTC(2020, 0, 1);

/**
 * PGlite reaches time, timers and entropy through the globals of JavaScript. They are replaced once, by functions that
 * behave as before except while `inside` runs: so the simulated server has its own clock and its own entropy, and
 * nobody else in the process notices. Install it before PGlite is loaded, as its modules may keep what they find.
 */
export function installVirtualGlobals(): void {
  if (installed) return;
  installed = true;
  const realNow = Date.now.bind(Date);
  const realPerformanceNow = performance.now.bind(performance);
  const realSetTimeout = globalThis.setTimeout;
  const realFill = nodeCrypto.randomFillSync;
  Date.now = () => (current ? Math.floor(current.wallMs()) : realNow());
  performance.now = () => (current ? current.wallMs() - monotonicStartMs : realPerformanceNow());
  // PostgreSQL arms timers (setitimer) that would call into the server at moments of the real world.
  globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => {
    if (timersMuted) return 0;
    const timer = realSetTimeout(...args);
    if (current) armedMeanwhile.push(timer);
    return timer;
  }) as typeof setTimeout;
  nodeCrypto.randomFillSync = ((buffer: Uint8Array, ...rest: [number?, number?]) => {
    if (!current) return (realFill as (...args: unknown[]) => unknown)(buffer, ...rest);
    return fill(buffer, current.entropy);
  }) as typeof nodeCrypto.randomFillSync;
}

function fill(buffer: ArrayBufferView, entropy: Random): ArrayBufferView {
  const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  bytes.set(entropy.bytes(bytes.length));
  return buffer;
}

/** Runs one WASM call in its own surroundings. */
export function inside<T>(surroundings: Surroundings, work: () => T): T {
  const before = current;
  current = surroundings;
  timersMuted = true;
  try {
    return work();
  } finally {
    current = before;
    timersMuted = false;
  }
}

/** The same while a server is made, which takes turns of the event loop: nothing else should run meanwhile. */
export async function insideWhile<T>(surroundings: Surroundings, work: () => Promise<T>): Promise<T> {
  current = surroundings;
  try {
    return await work();
  } finally {
    current = undefined;
    for (const timer of armedMeanwhile) clearTimeout(timer);
    armedMeanwhile = [];
  }
}

/** The entropy of the surroundings under way; for the devices of the WASM file system. */
export function drawEntropy(size: number): Uint8Array {
  if (!current) throw new Error('a simulated server asked for entropy outside of a call');
  return current.entropy.bytes(size);
}
