import { measureActive, measureCalls, measureServed, statusClassOf, type Telemetry } from '#kit/telemetry';

/**
 * What a hop before the gateways shows of itself, by the names that services use too: rate, errors and duration of what it
 * serves, and of its calls to whatever is behind it. It knows no operations, so its only one is `proxy`.
 */
export interface HopTelemetry {
  /** A request was answered; 499 stands for a client that went away before. */
  served(status: number, durationMs: number): void;
  /** Whoever is behind began to answer; undefined: it did not. */
  called(status: number | undefined, durationMs: number): void;
}

export interface HopOptions {
  readonly telemetry: Telemetry;
  readonly service: string;
  /** Who is behind it. */
  readonly callee: string;
  /** Requests that are being answered. */
  readonly active: () => number;
}

/** Of a client that went away before its answer began, as nginx counts it. */
export const statusGone = 499;
const operation = 'proxy';

export function createHopTelemetry({ telemetry, service, callee, active }: HopOptions): HopTelemetry {
  const served = measureServed(telemetry);
  const called = measureCalls(telemetry, service);
  measureActive(telemetry, service, active);
  return {
    served: (status, durationMs) => served(service, operation, status, durationMs),
    called(status, durationMs) {
      called(callee, operation, status === undefined ? 'failed' : statusClassOf(status), durationMs);
    },
  };
}

/** For whoever does not measure. */
export const noHop: HopTelemetry = { served() {}, called() {} };
