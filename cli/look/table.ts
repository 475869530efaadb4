import { inColumns } from '../columns.ts';
import { bucketsOf, type Exposition, quantileOf, sumOf } from './exposition.ts';

/** What a process showed of itself at a moment; no page: it did not answer. */
export interface Shown {
  readonly process: string;
  readonly services: readonly string[];
  readonly atMs: number;
  readonly page: Exposition | undefined;
}

/** What a service of a process did between two moments. What it has nothing of is undefined. */
export interface ServiceRow {
  readonly service: string;
  readonly requestsPerSec: number;
  /** Of its replies, 5xx; 0 to 1. */
  readonly failedRatio: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly inFlight: number;
  /** Commands that wait for a commit, and callers that wait for a connection. */
  readonly waiting: number;
  /** Events that are committed and not yet in the log. */
  readonly outbox: number | undefined;
  /** Events in the log that it has not handled. */
  readonly behind: number | undefined;
}

export interface ProcessRow {
  readonly process: string;
  readonly answers: boolean;
  /** Share of one processor. */
  readonly cpuRatio: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly services: readonly ServiceRow[];
}

export function rowOf(before: Shown | undefined, now: Shown): ProcessRow {
  const { process, services, page } = now;
  if (!page) return { process, answers: false, cpuRatio: undefined, memoryBytes: undefined, services: [] };
  // A process that was started anew counts from zero again: then all it has counted is new.
  const isSame = before?.page && cpuOf(before.page) <= cpuOf(page);
  const earlier: Exposition = (isSame ? before?.page : undefined) ?? new Map();
  const seconds = isSame && before ? (now.atMs - before.atMs) / 1_000 : 0;
  return {
    process,
    answers: true,
    cpuRatio: seconds > 0 ? (cpuOf(page) - cpuOf(earlier)) / seconds : undefined,
    memoryBytes: sumOf(page, 'process_resident_memory_bytes', () => true),
    services: services.map((service) => serviceRow(service, earlier, page, seconds)),
  };
}

const cpuOf = (page: Exposition): number => sumOf(page, 'process_cpu_seconds_total', () => true) ?? 0;

const durations = 'holdfast_request_duration_seconds';

function serviceRow(service: string, before: Exposition, now: Exposition, seconds: number): ServiceRow {
  const own = (labels: Readonly<Record<string, string>>) => labels['service'] === service;
  const failed = (labels: Readonly<Record<string, string>>) => own(labels) && labels['status'] === '5xx';
  const grown = (name: string, fits: typeof own) => (sumOf(now, name, fits) ?? 0) - (sumOf(before, name, fits) ?? 0);
  const requests = grown('holdfast_requests_total', own);
  const earlier = new Map(bucketsOf(before, durations, own).map(({ le, count }) => [le, count]));
  const buckets = bucketsOf(now, durations, own).map(({ le, count }) => ({
    le,
    count: count - (earlier.get(le) ?? 0),
  }));
  const inMs = (quantile: number | undefined) => (quantile === undefined ? undefined : quantile * 1_000);
  const gauge = (name: string, label: string) => sumOf(now, name, (labels) => labels[label]?.split('-')[0] === service);
  return {
    service,
    requestsPerSec: seconds > 0 ? requests / seconds : 0,
    failedRatio: requests > 0 ? grown('holdfast_requests_total', failed) / requests : 0,
    p50Ms: inMs(quantileOf(buckets, 0.5)),
    p99Ms: inMs(quantileOf(buckets, 0.99)),
    inFlight: gauge('holdfast_requests_active', 'service') ?? 0,
    waiting:
      (gauge('holdfast_batch_waiting_commands', 'writer') ?? 0) +
      (gauge('holdfast_pool_waiting_callers', 'database') ?? 0),
    outbox: gauge('holdfast_outbox_pending_events', 'source'),
    behind: gauge('holdfast_consumer_lag_events', 'group'),
  };
}

const columns = [
  'PROCESS',
  'SERVICE',
  'REQ/S',
  'FAILED',
  'P50 MS',
  'P99 MS',
  'IN FLIGHT',
  'WAITING',
  'OUTBOX',
  'BEHIND',
  'CPU',
  'MEMORY',
];
const leftAligned = 2;

/** The rows as text, a process with several services on several lines. */
export function tableOf(rows: readonly ProcessRow[]): string {
  const cells = rows.flatMap((row) => {
    const about = [
      percent(row.cpuRatio),
      row.memoryBytes === undefined ? '-' : `${Math.round(row.memoryBytes / 1e6)} MB`,
    ];
    if (!row.answers) return [[row.process, 'no answer', ...Array(columns.length - 2).fill('-')]];
    return row.services.map((each, i) => [
      ...[i === 0 ? row.process : '', each.service, each.requestsPerSec.toFixed(1), percent(each.failedRatio)],
      ...[number(each.p50Ms), number(each.p99Ms), String(each.inFlight), String(each.waiting)],
      ...[number(each.outbox, 0), number(each.behind, 0), ...(i === 0 ? about : ['', ''])],
    ]);
  });
  return inColumns([columns, ...cells], leftAligned).join('\n');
}

const number = (value: number | undefined, digits = 1): string => (value === undefined ? '-' : value.toFixed(digits));
const percent = (ratio: number | undefined): string => (ratio === undefined ? '-' : `${(100 * ratio).toFixed(1)} %`);
