/** A process of the mesh benchmark: echoes over the mesh and bare beside it, or is B or C of the failing chain. */
import { createServer } from 'node:https';
import { createClient, implement } from '#kit/contract';
import { createTelemetry } from '#kit/telemetry';
import { traceServer } from '../../../cli/observe.ts';
import { benchWorld } from '../server.ts';
import { echo, end, middle } from './contract.ts';
import { contextOf, type NodeWork, openNode } from './node.ts';

export interface ServiceWork extends NodeWork {
  /** Where orders are echoed by nothing but Node: with mutual TLS too. */
  readonly barePort?: number;
}

const work: ServiceWork = JSON.parse(process.argv[2] as string);
const { clock, timers } = benchWorld;
const node = await openNode(work);
const telemetry = createTelemetry({ ...benchWorld, service: 'bench', instance: work.self.process });
let workMs = 1;

const ok = { status: 200, body: { ok: true } } as const;
const endClient = createClient(end, { transport: node.transport, clock });
const servers = {
  echo: implement(echo, { order: async ({ body }) => ({ status: 200 as const, body }) }, { clock }),
  middle: implement(
    middle,
    {
      near: async () => ok,
      async far(_input, context) {
        await endClient.work(
          {},
          { ...contextOf(work, context.deadlineAtMs - clock.monotonicMs()), signal: context.signal },
        );
        return ok;
      },
    },
    { clock },
  ),
  end: implement(
    end,
    {
      async work(_input, { signal }) {
        await timers.sleep(workMs, signal);
        return ok;
      },
    },
    { clock },
  ),
};

process.on('message', (message: { readonly workMs?: number; readonly ask?: 'cpu' }) => {
  if (message.workMs !== undefined) workMs = message.workMs;
  if (message.ask === 'cpu') process.send?.(process.cpuUsage());
});
process.on('disconnect', () => process.exit());
const here = Object.values(servers).filter(({ contract }) => work.self.services.includes(contract.service));
await node.serve(here.map((server) => traceServer(telemetry, server)));
if (work.barePort !== undefined) await serveBare(work.barePort);
process.send?.('ready');

/** What one would write by hand: the body read, parsed, answered. */
function serveBare(port: number): Promise<void> {
  const { key, certificate: cert, trust: ca } = node.identity.current;
  const server = createServer({ key, cert, ca, requestCert: true, minVersion: 'TLSv1.3' }, (request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const body = JSON.stringify(JSON.parse(Buffer.concat(pieces).toString()));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      response.end(body);
    });
  });
  return new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
}
