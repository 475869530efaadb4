import type { TLSSocket } from 'node:tls';
import { buildConnector, Pool } from 'undici';
import { type Balancing, createHttpExchange, headerNames, isNotSent, type ServiceContract } from '#kit/contract';
import type { Clock, Logger, Random, Reply, Request, Timers } from '#kit/runtime';
import {
  type CallOutcome,
  createEndpoint,
  type Endpoint,
  type EndpointOptions,
  noteCall,
  noteProbe,
} from '../balancing/endpoint.ts';
import { pick } from '../balancing/pick.ts';
import type { Directory } from '../discovery/directory.ts';
import type { Instance } from '../discovery/instance.ts';
import type { Identity } from '../identity/identity.ts';
import { checkNotRevoked, peerOf } from '../identity/peer.ts';
import { meshProblems } from '../problems.ts';

export interface MeshClientOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Logger;
  readonly identity: Identity;
  readonly directory: Directory;
  readonly contracts: readonly ServiceContract[];
  /** Where this process is; instances there are preferred. */
  readonly zone: string;
  /** Default: least loaded of two, for every operation. */
  readonly balancingOf?: (service: string, operation: string) => Balancing;
  /** Connections to one instance at most, all operations together; see `concurrencyMax` of each. Default 256. */
  readonly connectionsMax?: number;
  /** How often each instance that this process calls is asked for its health. Default 10,000 ms. */
  readonly probeEveryMs?: number;
  /** How long a new instance takes to get its full share. Default 10,000 ms; 0: at once. */
  readonly slowStartMs?: number;
  readonly endpoints?: EndpointOptions;
  /** Told of each service that a new instance runs. Default: nobody is. */
  readonly onArrival?: (service: string) => void;
  /** For the fault lab: where an instance is really reached. */
  readonly addressOf?: (instance: Instance) => { readonly host: string; readonly port: number };
}

/** Carries a call to one instance of its service, chosen anew for each try. */
export interface MeshClient {
  /** `tried` names the processes that this call was sent to before, and gets this one too. */
  send(request: Request, signal: AbortSignal, tried?: Set<string>): Promise<Reply>;
  /** Reads a page of every instance that is not this process; what does not answer is left out. */
  readAll(path: string, timeoutMs: number): Promise<readonly unknown[]>;
  /** What is known of each instance, for operators. */
  readonly endpoints: readonly Endpoint[];
  start(): void;
  close(): Promise<void>;
}

/** An instance and the connections to it, which are replaced when this process gets another certificate. */
interface Line {
  readonly endpoint: Endpoint;
  pool: Pool | undefined;
  serial: string | undefined;
}

const leastLoaded: Balancing = { kind: 'least-loaded' };
const probeTimeoutMs = 2_000;

export function createMeshClient(options: MeshClientOptions): MeshClient {
  const { clock, timers, random, log, identity, directory, zone, connectionsMax = 256 } = options;
  const { balancingOf = () => leastLoaded, probeEveryMs = 10_000, slowStartMs = 10_000 } = options;
  const exchange = createHttpExchange(options.contracts);
  /** By process. */
  const lines = new Map<string, Line>();
  let byService = new Map<string, Endpoint[]>();
  let turn = 0;
  /** The first look finds instances that have long been warm. */
  let isFirstLook = true;
  const closing = new Set<Promise<void>>();

  function takeDirectory(): void {
    const { instances, revoked } = directory;
    const seen = new Set(instances.map(({ process }) => process));
    for (const [process, line] of lines) {
      if (!seen.has(process)) {
        retire(line);
        lines.delete(process);
      } else if (line.serial !== undefined && revoked.has(line.serial)) {
        log.warn('an instance with a revoked certificate is not called any more', { process });
        cut(line);
      }
    }
    const arrived: string[] = [];
    for (const instance of instances) {
      const known = lines.get(instance.process);
      if (known?.endpoint.instance.startId === instance.startId) continue;
      if (known) retire(known);
      const sinceMs = isFirstLook ? Number.NEGATIVE_INFINITY : clock.monotonicMs();
      lines.set(instance.process, { endpoint: createEndpoint(instance, sinceMs), pool: undefined, serial: undefined });
      arrived.push(...instance.services);
    }
    if (instances.length > 0) isFirstLook = false;
    byService = new Map();
    for (const { endpoint } of lines.values()) {
      for (const service of endpoint.instance.services) {
        byService.set(service, [...(byService.get(service) ?? []), endpoint]);
      }
    }
    for (const service of arrived) options.onArrival?.(service);
  }

  /** No new calls; those under way end as they may. */
  function retire(line: Line): void {
    const { pool } = line;
    line.pool = undefined;
    if (!pool) return;
    const closed = pool.close().catch(() => {});
    closing.add(closed);
    void closed.then(() => closing.delete(closed));
  }

  function cut(line: Line): void {
    line.pool?.destroy().catch(() => {});
    line.pool = undefined;
    line.serial = undefined;
  }

  function poolOf(line: Line): Pool {
    line.pool ??= new Pool(originOf(line.endpoint.instance), {
      connections: connectionsMax,
      pipelining: 1,
      keepAliveTimeout: 60_000,
      connect: connectorTo(line),
    });
    return line.pool;
  }

  function originOf(instance: Instance): string {
    const { host, port } = options.addressOf?.(instance) ?? instance;
    return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** Connects, and looks that whoever answers is the process that the registry named, running what it says it runs. */
  function connectorTo(line: Line): buildConnector.connector {
    const { key, certificate, trust } = identity.current;
    const { instance } = line.endpoint;
    const connect = buildConnector({
      key,
      cert: certificate,
      ca: trust,
      minVersion: 'TLSv1.3',
      timeout: connectTimeoutMs,
      // Every connection shows its certificate anew.
      maxCachedSessions: 0,
      // The name to be proved is not the host's; it is looked at below.
      checkServerIdentity: () => undefined,
      rejectUnauthorized: false,
    });
    return (to, done) => {
      connect(to, (...outcome) => {
        const [error, socket] = outcome;
        if (error) return done(error, null);
        try {
          const peer = peerOf(socket as TLSSocket);
          checkNotRevoked(peer, directory.revoked);
          const isIt =
            peer.name.process === instance.process &&
            instance.services.every((service) => peer.name.services.includes(service));
          if (!isIt)
            throw meshProblems['identity-foreign']({ detail: `${peer.name.process} answers for ${instance.process}` });
          line.serial = peer.serial;
          done(null, socket);
        } catch (refusal) {
          socket?.destroy();
          done(refusedBy(instance, refusal as Error), null);
        }
      });
    };
  }

  function chosen(request: Request, tried: ReadonlySet<string>): Line {
    const endpoints = byService.get(request.service) ?? [];
    const balancing = balancingOf(request.service, request.operation);
    turn += 1;
    const endpoint = pick(endpoints, {
      ...{ balancing, random, zone, tried, turn, slowStartMs },
      nowMs: clock.monotonicMs(),
      key: keyOf(balancing, request),
    });
    if (endpoint) return lines.get(endpoint.instance.process) as Line;
    throw meshProblems['no-instance']({ detail: `${request.service} is registered nowhere` });
  }

  async function sendTo(line: Line, request: Request, signal: AbortSignal): Promise<Reply> {
    const { endpoint } = line;
    endpoint.active += 1;
    try {
      const reply = await exchange(poolOf(line), request, signal);
      const refusal = refusalIn(reply);
      if (refusal) throw refusedBy(endpoint.instance, new Error(refusal));
      ended(endpoint, outcomeOf(reply));
      return reply;
    } catch (error) {
      // A caller that has gone says nothing about the instance; one that waited for long does.
      if (!signal.aborted || isTimeout(signal.reason)) ended(endpoint, 'failed');
      throw error;
    } finally {
      endpoint.active -= 1;
    }
  }

  function ended(endpoint: Endpoint, outcome: CallOutcome): void {
    if (!noteCall(endpoint, outcome, clock.monotonicMs(), options.endpoints)) return;
    log.warn('an instance fails calls and is left alone for a while', { process: endpoint.instance.process });
  }

  async function probe(line: Line): Promise<void> {
    const { endpoint } = line;
    let isWell = false;
    try {
      const reply = await poolOf(line).request({ path: '/health', method: 'GET', ...probeTimeouts });
      await reply.body.dump();
      isWell = reply.statusCode === 200;
    } catch {
      // Not well.
    }
    if (!noteProbe(endpoint, isWell, options.endpoints)) return;
    log.warn(isWell ? 'an instance is well again' : 'an instance does not answer its health check', {
      process: endpoint.instance.process,
    });
  }

  const forgetDirectory = directory.onChange(takeDirectory);
  const forgetIdentity = identity.onRenewed(() => {
    for (const line of lines.values()) retire(line);
  });
  let stopProbing = () => {};

  return {
    get endpoints() {
      return [...lines.values()].map(({ endpoint }) => endpoint);
    },
    async send(request, signal, tried = new Set()) {
      for (let connects = 1; ; connects++) {
        const line = chosen(request, tried);
        tried.add(line.endpoint.instance.process);
        try {
          return await sendTo(line, request, signal);
        } catch (error) {
          // Nothing can have happened there, so another one is asked, whatever the request is.
          if (!isNotSent(error) || connects >= connectsMax || signal.aborted) throw error;
        }
      }
    },
    async readAll(path, timeoutMs) {
      const others = [...lines.values()].filter(
        ({ endpoint }) => endpoint.instance.process !== identity.current.name.process,
      );
      const answers = await Promise.all(others.map((line) => readPage(poolOf(line), path, timeoutMs)));
      return answers.filter((answer) => answer !== undefined);
    },
    start() {
      stopProbing = timers.every(probeEveryMs, async () => {
        // Only those that this process calls have connections.
        await Promise.all([...lines.values()].filter(({ pool }) => pool !== undefined).map(probe));
      });
    },
    async close() {
      stopProbing();
      forgetDirectory();
      forgetIdentity();
      for (const line of lines.values()) retire(line);
      await Promise.all(closing);
    },
  };
}

const connectTimeoutMs = 1_000;
/** Instances that one try may knock at in vain. */
const connectsMax = 3;
const probeTimeouts = { headersTimeout: probeTimeoutMs, bodyTimeout: probeTimeoutMs };

function keyOf(balancing: Balancing, { headers, params }: Request): string | undefined {
  if (balancing.kind !== 'hash') return undefined;
  return 'header' in balancing ? headers[balancing.header] : params[balancing.parameter];
}

function outcomeOf({ status, headers }: Reply): CallOutcome {
  if (status < 500) return 'well';
  return headers[headerNames.fault] === undefined ? 'failed' : 'excused';
}

const isTimeout = (reason: unknown): boolean => (reason as { category?: string } | undefined)?.category === 'timeout';

/** The other process did not accept who we are, or that we call this. */
function refusalIn({ status, body }: Reply): string | undefined {
  if (status !== 401 && status !== 403) return undefined;
  const { code = '', title, detail } = (body ?? {}) as { code?: string; title?: string; detail?: string };
  return code.startsWith('mesh/') ? `${title} (${detail})` : undefined;
}

function refusedBy({ process }: Instance, cause: Error & { readonly title?: string }): Error {
  const why = cause.title ? `${cause.title} (${cause.message})` : cause.message;
  return meshProblems.refused({ detail: `${process}: ${why}`, cause });
}

async function readPage(pool: Pool, path: string, timeoutMs: number): Promise<unknown> {
  try {
    const timeouts = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
    const reply = await pool.request({ path, method: 'GET', ...timeouts });
    if (reply.statusCode === 200) return await reply.body.json();
    await reply.body.dump();
  } catch {
    // Left out.
  }
  return undefined;
}
