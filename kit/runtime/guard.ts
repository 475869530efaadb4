import nodeCrypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { performance } from 'node:perf_hooks';

export interface GuardOptions {
  /**
   * Parts of the paths of code that may use the originals: `/node_modules/pg/`, the simulator's own driver. Default:
   * none; each one is a place from which a run can stop being repeatable.
   */
  readonly except?: readonly string[];
}

export interface Guard {
  /** What was refused so far, the first 100: also what the code that did it caught and kept to itself. */
  readonly uses: readonly string[];
  /** Puts everything back. */
  stop(): void;
}

const usesMax = 100;
/** Ports by what they replace, for the message. */
const clock = 'take the time from the Clock port: clock.now(), or clock.monotonicMs() for durations';
const timers = 'use the Timers port: timers.after, every, sleep or soon';
const random = 'take chance from the Random port: random.next() or random.bytes(size)';
const ids = "take ids from the Ids port: ids.next('ord'), secrets from the Random port: random.bytes(size)";
const logger = 'use the Logger port: log.info(message, fields)';
const network = 'use the Transport port';
const options = 'take configuration as an option of createX({ … })';

let isOn = false;

/**
 * Makes the system's own time, chance, console, network and environment throw for whoever reaches for them past the
 * ports: what the lint rule does for source code, this does for everything that runs, libraries included. For the
 * simulator and for tests; it looks at the caller by a stack trace, some microseconds each.
 *
 * What a module kept for itself before (`const { now } = Date`) is out of reach.
 */
export function guardSystem({ except = [] }: GuardOptions = {}): Guard {
  if (isOn) throw new Error('guardSystem: the guard is on already; stop it first');
  isOn = true;
  const uses: string[] = [];
  const restore: (() => void)[] = [];
  const mayUse = [`${import.meta.dirname}/`, 'node:', ...except];

  function check(name: string, port: string): void {
    const caller = callerOf(check);
    if (mayUse.some((part) => caller.includes(part))) return;
    const message = `${name} was used directly by ${caller || 'native code'}: ${port}`;
    if (uses.length < usesMax) uses.push(message);
    throw new Error(message);
  }

  function replace(target: object, key: string, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(target, key) as PropertyDescriptor;
    Object.defineProperty(target, key, { value, configurable: true, writable: true, enumerable: !!before.enumerable });
    restore.push(() => Object.defineProperty(target, key, before));
  }

  function guard(target: object, keys: readonly string[], prefix: string, port: string): void {
    for (const key of keys) {
      const original = Reflect.get(target, key) as object;
      if (Object.hasOwn(target, key)) replace(target, key, guarded(original, `${prefix}${key}`, port));
    }
  }

  /** A proxy, so that what hangs on the original (`setTimeout[promisify.custom]`, `fetch.length`) stays. */
  function guarded(original: object, name: string, port: string): unknown {
    return new Proxy(original as (...args: unknown[]) => unknown, {
      apply(target, self, args) {
        check(name, port);
        return Reflect.apply(target, self, args);
      },
      construct(target, args, newTarget) {
        check(name, port);
        return Reflect.construct(target, args, newTarget);
      },
    });
  }

  function guardDate(): void {
    const original = Date;
    guard(original, ['now'], 'Date.', clock);
    const proxy = new Proxy(original, {
      apply(target, self, args) {
        check('Date()', clock);
        return Reflect.apply(target, self, args);
      },
      construct(target, args, newTarget) {
        if (args.length === 0) check('new Date()', clock);
        return Reflect.construct(target, args, newTarget);
      },
    });
    replace(original.prototype, 'constructor', proxy);
    replace(globalThis, 'Date', proxy);
  }

  function guardEnvironment(): void {
    const message = (name: string | symbol) => check(`process.env ${String(name)}`, options);
    const proxy = new Proxy(process.env, {
      get(target, name) {
        message(name);
        return Reflect.get(target, name);
      },
    });
    replace(process, 'env', proxy);
  }

  guardDate();
  guard(performance, ['now'], 'performance.', clock);
  guard(Object.getPrototypeOf(performance), ['now'], 'performance.', clock);
  guard(process, ['hrtime'], 'process.', clock);
  guard(Math, ['random'], 'Math.', random);
  guard(globalThis, ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'], '', timers);
  guard(Object.getPrototypeOf(globalThis.crypto), ['randomUUID', 'getRandomValues'], 'crypto.', ids);
  guard(nodeCrypto, ['randomUUID', 'randomBytes', 'randomInt', 'randomFill', 'randomFillSync'], 'crypto.', ids);
  guard(console, ['log', 'info', 'warn', 'error', 'debug', 'trace', 'table'], 'console.', logger);
  guard(globalThis, ['fetch', 'WebSocket', 'EventSource'], '', network);
  guardEnvironment();
  // Named imports of node:crypto see the change too.
  syncBuiltinESMExports();

  return {
    uses,
    stop() {
      if (!isOn) return;
      isOn = false;
      for (const undo of restore.reverse()) undo();
      restore.length = 0;
      syncBuiltinESMExports();
    },
  };
}

const framePattern = /\(?((?:file:\/\/|node:|\/|[A-Z]:\\).*):\d+:\d+\)?$/;

/** The file that made the guarded call: the first frame past this module's own. */
function callerOf(above: (name: string, port: string) => void): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 3;
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, above);
  Error.stackTraceLimit = stackTraceLimit;
  for (const line of (holder.stack ?? '').split('\n').slice(1)) {
    const file = framePattern.exec(line.trim())?.[1]?.replace('file://', '');
    if (file !== undefined && file !== import.meta.filename) return file;
  }
  return '';
}
