import type { Cancel, Component, World } from '#kit/runtime';
import { createSegments, type Segments } from '#kit/telemetry';
import type { Objective } from './budget.ts';
import { createHistoryReader, hourBounds, hourFiles, tickBounds, tickFiles } from './files.ts';
import { addTo, type Entry, hourMs, type Sums, type Tallies } from './history.ts';
import { type ObjectiveStatus, statusOf } from './status.ts';

/** What was counted since the process began, by key. */
export type Counts = ReadonlyMap<string, Tallies>;

/** What a machine that slept counted in a longer time still is no closed hour. */
const tickMsMax = hourMs - 1;

export interface RecorderOptions {
  readonly world: Pick<World, 'clock' | 'timers' | 'log'>;
  readonly objectives: readonly Objective[];
  /** Asked every `everyMs`. */
  readonly read: () => Counts;
  /** Folder of the system, with one below for each process. */
  readonly root: string;
  /** Name of this process, and of its folder. */
  readonly source: string;
  /** See `createSegments`. */
  readonly below?: string;
  /** Default 30,000 ms: as long as an alert comes later than it could. */
  readonly everyMs?: number;
}

export interface Recorder {
  readonly component: Component;
  /** As of the last look, over all sources. */
  status(): readonly ObjectiveStatus[];
  /** One look ahead of time. */
  look(): Promise<void>;
}

/**
 * Writes down every half minute what was counted, sums it up by the hour, and tells in the log when an alert begins and ends. Its
 * files are the memory: what others of the same system wrote counts as well, and a restart goes on where the last one ended.
 */
export function createRecorder(options: RecorderOptions): Recorder {
  const { world, objectives, read, root, source, below, everyMs = 30_000 } = options;
  const { clock, timers, log } = world;
  const files = { ...world, folder: `${root}/${source}`, ...(below === undefined ? {} : { below }) };
  const ticks = createSegments({ ...files, ...tickBounds, name: tickFiles });
  const hours = createSegments({ ...files, ...hourBounds, name: hourFiles });
  const reader = createHistoryReader(root);
  let before: Counts = new Map();
  let sinceMs = 0;
  let hour: { readonly atMs: number; readonly sums: Sums } | undefined;
  let current: readonly ObjectiveStatus[] = [];
  let known: ReadonlySet<string> = new Set();
  let cancel: Cancel = () => {};

  function closeHour(nowMs: number): void {
    const startMs = Math.floor(nowMs / hourMs) * hourMs;
    if (hour && hour.atMs < startMs) writeHour(hour);
    if (!hour || hour.atMs < startMs) hour = { atMs: startMs, sums: new Map() };
  }

  function writeHour({ atMs, sums }: { readonly atMs: number; readonly sums: Sums }): void {
    if (sums.size > 0) write(hours, { source, atMs, forMs: hourMs, counts: Object.fromEntries(sums) });
  }

  /** An hour that this source had begun before it ended is taken up again. */
  function takeUp(nowMs: number): void {
    reader.read();
    const startMs = Math.floor(nowMs / hourMs) * hourMs;
    for (const [atMs, sums] of reader.history.openHours(source)) {
      if (atMs < startMs) writeHour({ atMs, sums });
      else hour = { atMs, sums };
    }
  }

  async function look(): Promise<void> {
    const nowMs = clock.now();
    const now = read();
    const counts = grown(before, now);
    closeHour(sinceMs);
    if (Object.keys(counts).length > 0) {
      write(ticks, { source, atMs: sinceMs, forMs: Math.min(Math.max(nowMs - sinceMs, 0), tickMsMax), counts });
      if (hour) addTo(hour.sums, { counts });
    }
    closeHour(nowMs);
    before = now;
    sinceMs = nowMs;
    await Promise.all([ticks.flush(), hours.flush()]);
    reader.read();
    current = statusOf(objectives, reader.history, nowMs);
    tell();
  }

  function tell(): void {
    const firing = new Map(
      current.flatMap((status) =>
        status.alerts.map((rule) => [nameOf(status, rule.severity), { status, rule }] as const),
      ),
    );
    for (const [name, { status, rule }] of firing) {
      if (known.has(name)) continue;
      const { key, kind, target } = status.objective;
      log.warn('error budget burns too fast', {
        ...{ operation: key, objective: kind, target, severity: rule.severity },
        burnRate: status.burnRates[rule.longMs],
        budgetLeft: status.budgetLeft,
      });
    }
    for (const name of known) if (!firing.has(name)) log.info('error budget no longer burns too fast', { alert: name });
    known = new Set(firing.keys());
  }

  return {
    status: () => current,
    look,
    component: {
      name: 'objectives',
      async start() {
        sinceMs = clock.now();
        before = read();
        takeUp(sinceMs);
        cancel = timers.every(everyMs, look);
      },
      async stop() {
        cancel();
        await look();
      },
    },
  };
}

const nameOf = ({ objective }: ObjectiveStatus, severity: string) => `${objective.key} ${objective.kind} ${severity}`;

function write(files: Segments, entry: Entry): void {
  files.append(JSON.stringify(entry));
}

/** What came on top since; what was reset counts from zero. */
function grown(before: Counts, now: Counts): Record<string, Tallies> {
  const counts: Record<string, Tallies> = {};
  for (const [key, tallies] of now) {
    const earlier = before.get(key) ?? [0, 0, 0];
    const [total, failed, slow] = tallies.map((value, i) =>
      Math.max(value - (earlier[i] ?? 0), 0),
    ) as unknown as Tallies;
    if (total > 0) counts[key] = [total, failed, slow];
  }
  return counts;
}
