import { inColumns } from './columns.ts';
import { askControl, type Done, type InstanceStatus, type SystemStatus } from './control/index.ts';
import { pickDataDir } from './data-dir.ts';
import { type ExitCode, exitCodes, Failure } from './failure.ts';
import { createScreen } from './screen.ts';

/** Commands to the command that runs on a data directory. */
export interface OperateOptions {
  readonly dataDir?: string;
  readonly json: boolean;
}

export async function statusCommand(options: OperateOptions): Promise<ExitCode> {
  const screen = createScreen(options.json);
  const status = await askControl<SystemStatus>(dataDirOf(options), { method: 'GET', path: '/status' });
  screen.result(status);
  if (!options.json) screen.say(statusTable(status));
  return status.instances.every(isWell) ? exitCodes.ok : exitCodes.unavailable;
}

/** Does one thing to one process. */
export async function signalCommand(
  what: 'kill' | 'pause' | 'resume',
  process: string,
  options: OperateOptions,
): Promise<ExitCode> {
  return tell(options, `/${what}`, { process }, `${process}: ${signalled[what]}`);
}

const signalled = {
  kill: 'killed; it is started again',
  pause: 'paused: it answers nobody until "holdfast resume"',
  resume: 'goes on',
} as const;

export function revokeCommand(certificate: string, options: OperateOptions): Promise<ExitCode> {
  return tell(options, '/revoke', { certificate }, 'Revoked.');
}

export function restartCommand(
  names: readonly string[],
  { rolling, ...options }: OperateOptions & { readonly rolling: boolean },
): Promise<ExitCode> {
  return tell(options, '/restart', { names, rolling }, 'Restarted.');
}

/** `orders=6` */
export async function scaleCommand(text: string, options: OperateOptions): Promise<ExitCode> {
  const [, service, count] = /^([a-z][a-z0-9-]*)=([0-9]+)$/.exec(text) ?? [];
  if (service === undefined || count === undefined) {
    throw new Failure(exitCodes.usage, `"${text}" does not say how many of what: give it as orders=6.`);
  }
  return tell(options, '/scale', { service, instances: Number(count) }, `${service}: ${count}.`);
}

async function tell(options: OperateOptions, path: string, body: object, end: string): Promise<ExitCode> {
  const screen = createScreen(options.json);
  const done = await askControl<Done>(dataDirOf(options), { method: 'POST', path, body }, (text) => screen.say(text));
  screen.result(done);
  screen.say(end);
  return exitCodes.ok;
}

const dataDirOf = ({ dataDir }: OperateOptions): string => pickDataDir(dataDir, () => {});

const isWell = ({ state, unready }: InstanceStatus): boolean =>
  state === 'leaving' || (state === 'ready' && unready !== undefined && Object.keys(unready).length === 0);

const columns = [
  ...['INSTANCE', 'STATE', 'PID', 'ADDRESS', 'UP', 'RESTARTS'],
  ...['IN FLIGHT', 'REQ/S', 'FAILED', 'P50 MS', 'P99 MS', 'HEALTH'],
];

export function statusTable({ topology, pid, upMs, urls, database, instances }: SystemStatus): string {
  const rows = instances.map((each) => [
    ...[each.name, each.state, String(each.pid ?? '-'), each.address ?? '-'],
    ...[each.upMs === undefined ? '-' : duration(each.upMs), String(each.restarts), String(each.inFlight ?? '-')],
    ...servedCells(each),
    healthOf(each),
  ]);
  const lines = inColumns([columns, ...rows], columns.length);
  const places = inColumns(Object.entries(urls), 2);
  const head = `${topology}, up ${duration(upMs)}, pid ${pid}, database ${database.pid ?? 'elsewhere'}`;
  return [head, ...places, '', ...lines].join('\n');
}

function servedCells({ served }: InstanceStatus): string[] {
  if (served === undefined) return ['-', '-', '-', '-'];
  const { requestsPerSec, failedRatio, p50Ms, p99Ms } = served;
  return [requestsPerSec.toFixed(1), `${(100 * failedRatio).toFixed(1)} %`, String(p50Ms ?? '-'), String(p99Ms ?? '-')];
}

function healthOf({ state, unready, why }: InstanceStatus): string {
  if (why !== undefined && state !== 'paused') return why;
  if (unready === undefined) return state === 'paused' ? 'paused' : 'does not answer';
  const reasons = Object.entries(unready).map(([name, reason]) => `${name}: ${reason}`);
  return reasons.length === 0 ? 'well' : reasons.join('; ');
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${String(seconds % 60).padStart(2, '0')}s`;
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, '0')}m`;
}
