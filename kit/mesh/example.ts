// Two instances of a service and a caller, each with a certificate of its own: found, called, left, refused.
import Type from 'typebox';
import { anonymous, createClient, defineService, implement } from '#kit/contract';
import {
  createAuthority,
  createDirectory,
  createIdentity,
  createMemoryRegistry,
  createMeshClient,
  createMeshServer,
} from '#kit/mesh';
import { createResilientTransport } from '#kit/resilience';
import { type Logger, systemWorld } from '#kit/runtime';
import { findFreePort } from '#kit/store/embedded';

const stock = defineService({
  service: 'stock',
  operations: {
    level: {
      ...{ method: 'GET', path: '/levels/{sku}', summary: 'How much is there', access: ['service'] },
      callers: ['till'],
      params: Type.Object({ sku: Type.String() }),
      responses: { 200: Type.Object({ units: Type.Integer(), by: Type.String() }) },
    },
  },
});

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };
const world = systemWorld(silent);
const authority = createAuthority(world);
const registry = createMemoryRegistry(world);

async function join(process: string, service: string) {
  const name = { region: 'local', cell: 'main', process, services: [service] };
  const identity = await createIdentity({ ...world, name, sign: async (key) => authority.issue(key, name) });
  const directory = createDirectory({ ...world, registry });
  await directory.start();
  const client = createMeshClient({ ...world, identity, directory, contracts: [stock], zone: 'a' });
  const calls = createClient(stock, {
    transport: createResilientTransport({ ...world, transport: client }),
    clock: world.clock,
  });
  return { identity, directory, calls, service };
}

async function serve(process: string) {
  const { identity, directory } = await join(process, 'stock');
  const port = await findFreePort();
  const answer = async () => ({ status: 200 as const, body: { units: 12, by: process } });
  const at = { host: '127.0.0.1', port };
  const servers = () => [implement(stock, { level: answer }, { clock: world.clock })];
  await createMeshServer({ ...world, identity, directory, door: 'gateway', ...at, servers }).start?.();
  await directory.join({
    ...at,
    process,
    startId: world.ids.next('start'),
    services: ['stock'],
    operatorPort: 0,
    zone: 'a',
  });
  return directory;
}

const first = await serve('stock-1');
await serve('stock-2');
const till = await join('till-1', 'till');
const baker = await join('baker-1', 'baker');

async function ask({ calls, service }: typeof till): Promise<string> {
  const context = {
    ...({ caller: { ...anonymous, kind: 'service', id: service }, correlationId: 'example', step: 0 } as const),
    ...{ traceparent: undefined, idempotencyKey: undefined, headers: {}, signal: new AbortController().signal },
    deadlineAtMs: world.clock.monotonicMs() + 2_000,
  };
  const { body } = await calls.level({ params: { sku: 'tea' } }, context);
  return body.by;
}

async function tally(count: number): Promise<Record<string, number>> {
  const answers = await Promise.all(Array.from({ length: count }, () => ask(till)));
  return Object.fromEntries([...Map.groupBy(answers, (by) => by)].map(([by, all]) => [by, all.length]).sort());
}

console.log('both serve:      ', Object.keys(await tally(20)));
await first.leave();
console.log('stock-1 has left:', Object.keys(await tally(20)));
await till.identity.renew();
console.log('renewed:         ', Object.keys(await tally(20)));
console.log('not listed:      ', await ask(baker).catch((error: Error) => error.message));
await registry.revoke(till.identity.current.serial, 60_000);
console.log('revoked:         ', await ask(till).catch((error: Error) => error.message.replace(/[0-9A-F]{32}/, '…')));
process.exit();
