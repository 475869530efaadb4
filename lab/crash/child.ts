/**
 * A child of the crash lab: the services as they are, with a trap at the seams. When the trapped moment comes, this
 * process kills itself with SIGKILL, or stands still until the lab has killed someone else.
 */
import { inspect } from 'node:util';
import { type Database, type Logger, systemWorld } from '#kit/runtime';
import { showWrittenLines } from '../../cli/bundle/stack-lines.ts';
import type { ServicesConfig } from '../../cli/services.ts';
import { startServices } from '../../cli/services.ts';
import { signByParent } from '../../cli/signing.ts';
import type { FromLab, Moment, Trap } from './points.ts';

showWrittenLines();

const verbose = process.env['HOLDFAST_LOG'] !== undefined;
const say = (message: string, fields?: object) => {
  if (verbose) process.stderr.write(`${process.pid} ${message} ${inspect(fields, { breakLength: 200 })}\n`);
};
const silent: Logger = { debug() {}, info() {}, warn: say, error: say, with: () => silent };

let trap: Trap | undefined;
let passed = 0;
let goOn = () => {};
/** The operation whose transaction is under way, by service: commits do not know why they are made. */
const arriving = new Map<string, string>();

async function pass(moment: Moment, service: string, operation: string): Promise<void> {
  if (trap?.moment !== moment || trap.service !== service || trap.operation !== operation) return;
  passed += 1;
  if (passed !== trap.nth) return;
  const { kill } = trap;
  trap = undefined;
  if (kill === 'self') process.kill(process.pid, 'SIGKILL');
  process.send?.({ type: 'sprung' });
  await new Promise<void>((resolve) => {
    goOn = resolve;
  });
}

/** Commits of a service belong to the operation that arrived last: under concurrent orders some other one at times. */
function trapCommits(database: Database, service: string): Database {
  return {
    ...database,
    async transaction(work, options) {
      const operation = arriving.get(service) ?? '';
      const result = await database.transaction(async (tx) => {
        // Not sealed: there has to be a moment between the last statement and COMMIT.
        const value = await work({ ...tx, seal() {} });
        await pass('before-commit', service, operation);
        return value;
      }, options);
      await pass('after-commit', service, operation);
      return result;
    },
  };
}

process.on('message', async (message: FromLab | { type: 'start'; config: ServicesConfig } | { type: 'stop' }) => {
  if (message.type === 'trap') {
    trap = message.trap;
    passed = 0;
  } else if (message.type === 'go-on') goOn();
  else if (message.type === 'start') await start(message.config);
});
const sign = signByParent();
process.on('disconnect', () => process.exit(1));
process.send?.({ type: 'here' });

async function start(config: ServicesConfig): Promise<void> {
  const { host } = await startServices({
    ...config,
    world: systemWorld(silent),
    sign,
    seams: {
      transport: (inner) => ({
        async send(request, signal) {
          await pass('before-call', request.service, request.operation);
          const reply = await inner.send(request, signal);
          await pass('after-reply', request.service, request.operation);
          return reply;
        },
      }),
      server: (inner) => ({
        contract: inner.contract,
        async handle(request, signal) {
          arriving.set(request.service, request.operation);
          await pass('on-arrival', request.service, request.operation);
          const reply = await inner.handle(request, signal);
          await pass('before-reply', request.service, request.operation);
          return reply;
        },
      }),
      database: (inner, service) => (service === 'log' ? inner : trapCommits(inner, service)),
    },
  });
  process.on('message', async (message: { type: string }) => {
    if (message.type !== 'stop') return;
    await host.stop();
    process.exit(0);
  });
  process.send?.({ type: 'ready' });
}
