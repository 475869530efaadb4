// A trip: seat held, card charged, ticket written. One instance is stopped half-way, another ends its work; a declined card
// gives the seat back. Everything on one PostgreSQL that this script starts and removes.
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, systemWorld } from '#kit/runtime';
import {
  createSagaEngine,
  defineSaga,
  insertSagas,
  inspectSaga,
  isEnded,
  SagaFenced,
  type SagaRecord,
  sagaMigrations,
  writeSagas,
} from '#kit/saga';
import { createDatabase, migrate } from '#kit/store';
import { startEmbeddedPostgres } from '../store/embedded/index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);
const dataDir = join(tmpdir(), `holdfast-example-${process.pid}`);
const server = await startEmbeddedPostgres({ dataDir, world });
await migrate(server.adminUrl, [sagaMigrations]);
const database = createDatabase({ url: server.adminUrl, ...world });
await database.query('create table ticket (trip text primary key, passenger text not null)');

// Two other services, as far as this script goes: idempotent by key, and a release or refund works whatever came before.
const seats = new Map<string, 'held' | 'released'>();
const charges = new Map<string, 'charged' | 'refunded'>();

interface Trip {
  readonly passenger: string;
  readonly card: 'good' | 'declined';
}

/** Progress, alone or with what a local step does: refused when the saga belongs to someone else by now. */
function save(progress: SagaRecord, passenger?: string): Promise<void> {
  return database.transaction(async (tx) => {
    const [written] = await writeSagas(tx, [progress]);
    if (written === 'fenced') throw new SagaFenced(progress.id);
    if (written === 'written' && passenger)
      await tx.query('insert into ticket values ($1, $2)', [progress.id, passenger]);
  });
}

/** `dies`: the process of this instance ends (or hangs for ever) while it waits for the card. */
function createInstance(name: string, dies = Promise.withResolvers<void>()) {
  const say = (line: string) => console.log(`  ${name}: ${line}`);
  const trip = defineSaga<Trip>({
    name: 'trip',
    version: 1,
    pivot: 'ticket',
    steps: [
      {
        kind: 'remote',
        name: 'seat',
        async run({ key }) {
          if (!seats.has(key)) seats.set(key, 'held');
          say(`seat ${seats.get(key)}`);
          return { done: '12A' };
        },
        async compensate({ key }) {
          seats.set(key, 'released');
          say('seat released');
        },
      },
      {
        kind: 'remote',
        name: 'card',
        async run({ key, input }) {
          if (name === 'first' && input.card === 'good') {
            say('asks for the money …');
            charges.set(key, 'charged');
            dies.resolve();
            await new Promise(() => {});
          }
          if (input.card === 'declined') return { refused: { reason: 'declined' } };
          say(charges.has(key) ? 'card was charged before' : 'card charged');
          charges.set(key, 'charged');
          return { done: undefined };
        },
        async compensate({ key }) {
          charges.set(key, 'refunded');
        },
      },
      {
        kind: 'local',
        name: 'ticket',
        async run({ input }, progress) {
          await save(progress, input.passenger);
          say('ticket written');
          return { done: undefined };
        },
      },
    ],
  });
  const engine = createSagaEngine({ owner: name, database, ...world, definitions: [trip], save, leaseMs: 1_000 });
  return { trip, engine, died: dies.promise };
}

async function untilEnded(id: string): Promise<SagaRecord> {
  for (;;) {
    const saga = await inspectSaga(database, id);
    if (saga && isEnded(saga)) return saga;
    await world.timers.sleep(50);
  }
}

function show({ id, status, cause, journal }: SagaRecord): void {
  const history = journal.map(({ step, event }) => `${step} ${event}`).join(', ');
  console.log(`${id} is ${status}${cause ? ` (${cause.reason})` : ''}: ${history}\n`);
}

const first = createInstance('first');
await first.engine.component.start?.();
const ada = first.engine.create(first.trip, 'trip-of-ada', { passenger: 'Ada', card: 'good' });
await database.transaction((tx) => insertSagas(tx, [ada]));
void first.engine.run(ada);
await first.died;
console.log('  first is stopped in the middle of it');
await first.engine.component.stop?.();

const second = createInstance('second');
await second.engine.component.start?.();
show(await untilEnded('trip-of-ada'));

const bob = second.engine.create(second.trip, 'trip-of-bob', { passenger: 'Bob', card: 'declined' });
await database.transaction((tx) => insertSagas(tx, [bob]));
show(await second.engine.run(bob));

console.log('tickets', (await database.query('select * from ticket')).rows);
console.log('seats  ', Object.fromEntries(seats));
console.log('charges', Object.fromEntries(charges));

await second.engine.component.drain?.();
await second.engine.component.stop?.();
await database.close();
await server.stop();
rmSync(dataDir, { recursive: true, force: true });
