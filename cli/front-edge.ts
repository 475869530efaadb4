import { createCdn, followPurges } from '#edge/cdn';
import { createIdentity, type HostNames, type Identity } from '#kit/mesh';
import { createHost } from '#kit/runtime';
import { addressOf } from './address.ts';
import { announce } from './announce.ts';
import type { Address } from './doors.ts';
import { exitCodes, Failure } from './failure.ts';
import { readKeyPair } from './key-pair.ts';
import { createOperatorPort } from './operator-port.ts';
import { createServedLately } from './served-lately.ts';
import type { RunningServices, ServicesOptions } from './services.ts';
import { nameOf } from './signing.ts';
import { createProcessTelemetry } from './telemetry.ts';

/** What the edge of a topology is told: it faces strangers, so no password and no certificate of the mesh. */
export interface EdgeConfig {
  /** In the clear, for curl and for what terminates TLS elsewhere. */
  readonly http: Address;
  readonly https: Address;
  /** /livez, /metrics and /readings in the clear, on this machine alone. */
  readonly operators: Address;
  /** The balancer: `http://127.0.0.1:4090`. */
  readonly origin: string;
  /** Where gateways tell what to forget. */
  readonly purges?: string;
  /** What the local authority says that it is called. */
  readonly names: HostNames;
  /** Certificates of somebody else in PEM, the leaf first, and their key, in place of the local authority's. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
}

/** Longer than what is behind it takes to answer, or to give up. */
const edgeDrainMs = 35_000;
/** Time for clients to see that they are asked to connect anew, when another edge takes over. */
const leaveMsDefault = 0;

/** TLS, cache and protection, in a process of their own. */
export async function startEdge(options: ServicesOptions, edge: EdgeConfig): Promise<RunningServices> {
  const { world, opened = {}, dataDir } = options;
  const observed = createProcessTelemetry(world, options.process, options.telemetry ?? {}, dataDir);
  const lately = createServedLately({ world, service: 'edge', metrics: observed.telemetry.metrics });
  const identity = edge.tls ? undefined : await identityOf(options);
  const tls = edge.tls ? readKeyPair(edge.tls) : keysOf(identity as Identity);
  const cdn = createCdn({
    world,
    origin: edge.origin,
    ...edge.https,
    ...(opened.https ? { handle: opened.https } : {}),
    plain: { ...edge.http, ...(opened.http ? { handle: opened.http } : {}) },
    tls,
    telemetry: observed.telemetry,
  });
  const host = createHost({ log: world.log, timers: world.timers, drainTimeoutMs: edgeDrainMs });
  let leaveMs = leaveMsDefault;
  const operators = createOperatorPort(edge.operators, observed, { isOutside: true });
  if (options.keptLog) host.add(options.keptLog);
  host.add(observed.component);
  host.add(lately.component);
  host.add(operators.component);
  host.add(announce(dataDir, { ...options, ...operators, address: addressOf(edge.https) }));
  host.add(cdn.component);
  if (edge.purges !== undefined) host.add(followPurges({ world, cdn, url: edge.purges }));
  host.add({
    name: 'edge identity',
    async start() {
      identity?.onRenewed(() => cdn.renewTls(keysOf(identity)));
    },
    async drain() {
      identity?.stop();
      cdn.leave();
      await world.timers.sleep(leaveMs);
    },
  });
  await host.start();
  return {
    host,
    urls: { edge: `https://${shown(edge.https)}` },
    transport: { send: async () => Promise.reject(new Error('the edge calls no service')) },
    pulse: async () => ({ unready: await host.unready(), inFlight: cdn.active, served: lately.read() }),
    async stop(given = leaveMsDefault) {
      leaveMs = given;
      await host.stop();
    },
  };
}

function identityOf(options: ServicesOptions): Promise<Identity> {
  const { sign, world } = options;
  if (!sign) throw new Failure(exitCodes.internal, 'The edge was given nobody to sign its certificate.');
  return createIdentity({ ...world, name: nameOf(options), sign: (publicKey) => sign(publicKey, true) });
}

/** With the authority behind it, so that whoever trusts that needs nothing else. */
const keysOf = ({ current }: Identity) => ({ cert: `${current.certificate}${current.trust}`, key: current.key });

const shown = ({ host, port }: Address): string =>
  `${host === '0.0.0.0' || host === '::' || host === '127.0.0.1' ? 'localhost' : host}:${port}`;
