import { systemWorld, type World } from '#kit/runtime';
import type { Door } from './doors.ts';
import { exitCodes, explain } from './failure.ts';
import { createKeptLog } from './kept.ts';
import { logLevel } from './log.ts';
import type { ToChild, ToParent } from './process-messages.ts';
import { type DoorName, type RunningServices, type Seams, type ServicesConfig, startServices } from './services.ts';
import { signByParent } from './signing.ts';

/** What a laboratory puts round the services of a child: another world, or something between them and what they use. */
export type Surround = (config: ServicesConfig, world: World) => { readonly world?: World; readonly seams?: Seams };

/**
 * Makes this process a child: it runs the services that its parent tells it to, and ends with it. Its configuration
 * holds passwords, so it comes by message and not by arguments or environment, which others can see.
 */
export function serveParent(surround: Surround = () => ({})): void {
  let running: Promise<RunningServices> | undefined;
  const sign = signByParent();
  const doors: Partial<Record<DoorName, Door>> = {};

  async function stop(leaveMs?: number): Promise<void> {
    const services = await running;
    await services?.stop(leaveMs);
    process.exit(exitCodes.ok);
  }

  async function answer(id: number): Promise<void> {
    const services = await running;
    if (services) tell({ type: 'pulse', id, pulse: await services.pulse() });
  }

  // Ctrl-C reaches every process of the terminal; only the parent acts on it, and tells the others when it is their
  // turn.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  process.on('SIGTERM', () => void stop());
  process.on('message', (message: ToChild, handed: unknown) => {
    if (message.type === 'door') doors[message.name] = handed as Door;
    if (message.type === 'start') running = start(message.config, sign, doors, surround);
    if (message.type === 'ask') void answer(message.id);
    if (message.type === 'stop') void stop(message.leaveMs);
  });
  // The parent is gone without a word, so this is a crash: leave at once, for the next start wants the ports. Whatever
  // was under way is recovered from the database.
  process.on('disconnect', () => process.exit(exitCodes.internal));
  tell({ type: 'here' });
}

async function start(
  config: ServicesConfig,
  sign: ReturnType<typeof signByParent>,
  opened: Partial<Record<DoorName, Door>>,
  surround: Surround,
): Promise<RunningServices> {
  const { dataDir, process: name, telemetry } = config;
  const level = logLevel(process.env['HOLDFAST_LOG']);
  const { log, component: keptLog } = createKeptLog({ dataDir, process: name, level, otlpUrl: telemetry?.otlpUrl });
  const world = systemWorld(log);
  try {
    const services = await startServices({ ...config, world, sign, opened, keptLog, ...surround(config, world) });
    const { urls, demo } = services;
    tell({ type: 'ready', urls, ...(demo === undefined ? {} : { demo }) });
    return services;
  } catch (error) {
    const explanation = explain(error);
    process.send?.({ type: 'failed', ...explanation } satisfies ToParent, () => process.exit(explanation.exitCode));
    // Never resolves: the process ends when the message is out.
    return new Promise(() => {});
  }
}

function tell(message: ToParent): void {
  // A parent that has just gone is no error of its own: the disconnection ends this process.
  process.send?.(message, () => {});
}
