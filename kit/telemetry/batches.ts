import type { Telemetry } from './port.ts';

const sizeBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** What a batch writer (kit/store) tells of each commit. */
export interface CommittedBatch {
  readonly size: number;
  readonly durationMs: number;
}

/**
 * Measures a batch writer: give what comes back as its `onCommit`, and how many commands wait as `waiting`. Size tells
 * how much of a commit's cost is shared, waiting tells that commits don't keep up.
 */
export function measureBatches(
  telemetry: Telemetry,
  writer: string,
  waiting: () => number,
): (batch: CommittedBatch) => void {
  const labels = { writer };
  const sizes = telemetry
    .histogram({
      name: 'holdfast_batch_commit_commands',
      help: 'Commands committed together.',
      labels: ['writer'],
      buckets: sizeBuckets,
    })
    .series(labels);
  const durations = telemetry
    .histogram({
      name: 'holdfast_batch_commit_duration_seconds',
      help: 'Time from the begin of a batch to its commit.',
      labels: ['writer'],
    })
    .series(labels);
  telemetry.gauge(
    { name: 'holdfast_batch_waiting_commands', help: 'Commands that wait for a commit.', labels: ['writer'] },
    () => [{ labels, value: waiting() }],
  );
  return ({ size, durationMs }) => {
    sizes.observe(size);
    durations.observe(durationMs / 1_000);
  };
}
