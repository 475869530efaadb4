import { readFileSync, writeFileSync } from 'node:fs';
import { sep } from 'node:path';
import type { DatabaseProfile } from './checkout/database-profile.ts';
import type { CheckoutRun } from './checkout.ts';

/** What V8's sampling profiler writes (`.cpuprofile`): a tree of frames, and which of them each sample met. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

export interface Share {
  readonly name: string;
  readonly ms: number;
}

/** Self time by function and by part of the house or package, the largest first. */
export function sharesOf(profile: CpuProfile): {
  readonly functions: Share[];
  readonly parts: Share[];
  totalMs: number;
} {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const functions = new Map<string, number>();
  const parts = new Map<string, number>();
  const add = (sums: Map<string, number>, name: string, ms: number) => sums.set(name, (sums.get(name) ?? 0) + ms);
  let totalMs = 0;
  profile.samples.forEach((id, i) => {
    const frame = nodes.get(id)?.callFrame;
    if (!frame) return;
    const ms = (profile.timeDeltas[i] ?? 0) / 1000;
    totalMs += ms;
    const place = frame.url === '' ? '' : ` ${shortOf(frame.url)}:${frame.lineNumber + 1}`;
    add(functions, `${frame.functionName || '(anonymous)'}${place}`, ms);
    add(parts, frame.url === '' ? frame.functionName : partOf(frame.url), ms);
  });
  const sorted = (sums: Map<string, number>) =>
    [...sums].map(([name, ms]) => ({ name, ms })).sort((a, b) => b.ms - a.ms);
  return { functions: sorted(functions), parts: sorted(parts), totalMs };
}

const root = `${import.meta.dirname.slice(0, -`lab${sep}bench`.length)}`;

function shortOf(url: string): string {
  return url
    .replace('file://', '')
    .replace(root, '')
    .replace(/^.*node_modules\//, '');
}

/** `kit/store`, `services/orders`, `pg-protocol`, `node:internal`. */
function partOf(url: string): string {
  if (url.startsWith('node:')) return url.split('/').slice(0, 2).join('/');
  const path = shortOf(url);
  return url.includes('node_modules/')
    ? path
        .split('/')
        .slice(0, path.startsWith('@') ? 2 : 1)
        .join('/')
    : path.split('/').slice(0, 2).join('/');
}

const functionsShown = 45;
const partsShown = 30;
const statementsShown = 30;
const waitsShown = 25;

export interface ProfileSummaryOptions {
  readonly path: string;
  readonly summary: string;
  readonly run: CheckoutRun;
  readonly database: DatabaseProfile;
}

/** Where the time of one measurement went, for people. */
export function writeProfileSummary({ path, summary, run, database }: ProfileSummaryOptions): void {
  const { functions, parts, totalMs } = sharesOf(JSON.parse(readFileSync(path, 'utf8')) as CpuProfile);
  const idleMs = functions.find(({ name }) => name.startsWith('(idle)'))?.ms ?? 0;
  const busyMs = totalMs - idleMs;
  const line = ({ name, ms }: Share) =>
    `${ms.toFixed(0).padStart(8)} ms ${((100 * ms) / busyMs).toFixed(1).padStart(5)} %  ${name}`;
  const busy = (shares: readonly Share[]) => shares.filter(({ name }) => !name.startsWith('(idle)'));
  const { statements, walSyncs, commits, waits } = database;
  const all = statements.reduce((sum, { totalMs: ms }) => sum + ms, 0);
  const text = [
    `${run.name} at ${run.clients} clients: ${run.perSec}/s, p50 ${run.p50Ms} ms, p99 ${run.p99Ms} ms, while being profiled (with warm-up and settling)`,
    `cores while measuring: ${JSON.stringify(run.cpu)}`,
    `the shop's thread was busy for ${busyMs.toFixed(0)} of ${totalMs.toFixed(0)} ms`,
    '',
    'self time by part',
    ...busy(parts).slice(0, partsShown).map(line),
    '',
    'self time by function',
    ...busy(functions).slice(0, functionsShown).map(line),
    '',
    `commits: ${Object.entries(commits)
      .map(([name, count]) => `${shortName(name)} ${count}`)
      .join(', ')}`,
    `syncs of the write-ahead log: ${walSyncs.map(({ by, count, ms }) => `${by} ${count} in ${ms.toFixed(0)} ms`).join(', ')}`,
    '',
    'what connections were doing, and how many on average',
    ...waits
      .slice(0, waitsShown)
      .map(({ database: name, doing, average }) => `${average.toFixed(2).padStart(8)}  ${shortName(name)}: ${doing}`),
    '',
    `PostgreSQL: ${all.toFixed(0)} ms in statements (waiting for locks and for the disk included)`,
    ...statements
      .slice(0, statementsShown)
      .map(
        ({ database: name, calls, totalMs: ms, meanMs, rows, walBytes, text: sql }) =>
          `${ms.toFixed(0).padStart(8)} ms ${((100 * ms) / all).toFixed(1).padStart(5)} %  ${String(calls).padStart(6)} calls  ${meanMs.toFixed(3).padStart(8)} ms each  ${String(rows).padStart(7)} rows  ${(walBytes / 1024).toFixed(0).padStart(7)} KiB WAL  ${shortName(name)}: ${sql.slice(0, 140)}`,
      ),
    '',
  ].join('\n');
  writeFileSync(summary, text);
}

const shortName = (database: string): string => database.replace('holdfast_', '');
