import { join } from 'node:path';
import { type Component, type Logger, type LogLevel, systemClock, systemTimers } from '#kit/runtime';
import { createLogExport, createLogger, createSegments, createTee, type Export, type Segments } from '#kit/telemetry';
import { createLog } from './log.ts';

/**
 * What processes keep of themselves in the data directory, so that it can be read while they run and after: log lines and
 * spans, one JSON object a line, in a folder for each process. `holdfast logs`, `trace` and `slo` read these files.
 */
export const keptFolder = (dataDir: string): string => join(dataDir, 'telemetry');

/** The files of one kind of lines of a process. `done`: writes what waits, and lets go of the end of the process. */
export function keep(
  dataDir: string,
  processName: string,
  name: 'logs' | 'spans',
): Segments & { done(): Promise<void> } {
  const folder = join(keptFolder(dataDir), processName);
  // The data directory is made by the database server, whose account has to get through it.
  const segments = createSegments({ clock: systemClock, timers: systemTimers, folder, below: dataDir, name });
  process.on('exit', segments.flushNow);
  return Object.assign(segments, {
    async done() {
      process.off('exit', segments.flushNow);
      await segments.flush();
    },
  });
}

export interface KeptLogOptions {
  readonly dataDir: string;
  readonly process: string;
  /** Of what is shown. What is kept begins at `info`, or at `debug` where that is shown. */
  readonly level: LogLevel;
  /** A collector that takes the lines too. Default: none. */
  readonly otlpUrl?: string | undefined;
}

/** The log of a process: shown on standard error as `createLog` does, and kept. */
export function createKeptLog(options: KeptLogOptions): { readonly log: Logger; readonly component: Component } {
  const { dataDir, process: name, level, otlpUrl } = options;
  const segments = keep(dataDir, name, 'logs');
  let sending: Export<string> | undefined;
  const kept = createLogger({
    clock: systemClock,
    level: level === 'debug' ? 'debug' : 'info',
    fields: { process: name },
    destination: {
      write(line) {
        segments.append(line.trimEnd());
        sending?.add(line);
      },
    },
  });
  return {
    log: createTee(createLog(level, { process: name }), kept),
    component: {
      name: 'kept log',
      async start() {
        if (otlpUrl === undefined) return;
        const resource = { 'service.name': 'holdfast', 'service.instance.id': name };
        sending = await createLogExport({ url: otlpUrl }, resource);
      },
      async stop() {
        // A collector that is down must not keep a shop from closing.
        await sending?.stop().catch(() => {});
        await segments.flush();
      },
    },
  };
}
