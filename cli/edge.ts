import { createLayer7, createPool } from '#edge/balancer';
import { createCdn, followPurges } from '#edge/cdn';
import { type Component, createHost, systemWorld } from '#kit/runtime';
import { findFreePort } from '#kit/store/embedded';
import { addressFrom } from './address.ts';
import { type ExitCode, exitCodes, Failure } from './failure.ts';
import { readKeyPair } from './key-pair.ts';
import { watchLauncher } from './launcher.ts';
import { createLog, logLevel } from './log.ts';
import { createScreen } from './screen.ts';

export interface EdgeOptions {
  readonly listen: string;
  readonly gateway: readonly string[];
  readonly purges?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** Edge and balancer in one process, in front of gateways that run elsewhere. Resolves when it was asked to end. */
export async function edgeCommand(options: EdgeOptions): Promise<ExitCode> {
  const screen = createScreen(false);
  const world = systemWorld(createLog(logLevel(process.env['HOLDFAST_LOG']), { process: 'edge' }));
  const listen = addressFrom(options.listen);
  const members = options.gateway.map((text, i) => ({ process: `gateway-${i + 1}`, ...addressFrom(text) }));
  const tls = tlsFrom(options);
  const pool = createPool({ world, name: 'gateways', members: () => members });
  const inner = { host: '127.0.0.1', port: await findFreePort() };
  const balancer = createLayer7({ world, rules: [{ to: [{ pool }] }], ...inner });
  const cdn = createCdn({ world, origin: `http://${inner.host}:${inner.port}`, ...listen, ...(tls ? { tls } : {}) });
  const parts: Component[] = [pool.component, balancer.component, cdn.component];
  if (options.purges !== undefined) parts.push(followPurges({ world, cdn, url: options.purges }));

  const host = createHost({ log: world.log, timers: world.timers });
  for (const part of parts) host.add(part);
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
    watchLauncher(world.timers, () => resolve());
  });
  await host.start();
  screen.say(`${cdn.address} in front of ${options.gateway.join(', ')}. Give the gateways "trustedProxies": 2.`);
  await asked;
  await host.stop();
  screen.say('Stopped.');
  return exitCodes.ok;
}

function tlsFrom({ tlsCert, tlsKey }: EdgeOptions): { cert: string; key: string } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new Failure(exitCodes.usage, 'Give both --tls-cert and --tls-key, or neither.');
  }
  return readKeyPair({ certFile: tlsCert, keyFile: tlsKey });
}
