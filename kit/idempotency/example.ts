// One payment, asked for again and again: concurrently, later, with another amount, and by somebody else.
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimKeys, completeKeys, fingerprintOf, idempotencyMigrations } from '#kit/idempotency';
import { type Logger, systemWorld } from '#kit/runtime';
import { createDatabase, migrate } from '#kit/store';
import { startEmbeddedPostgres } from '../store/embedded/index.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => quiet };
const world = systemWorld(quiet);
const dataDir = join(tmpdir(), `holdfast-example-${process.pid}`);
const server = await startEmbeddedPostgres({ dataDir, world });
await migrate(server.adminUrl, [idempotencyMigrations]);
const database = createDatabase({ url: server.adminUrl, ...world });
await database.query('create table payment (customer text, amount int)');

function pay(customer: string, key: string, amount: number): Promise<string> {
  return database.transaction(async (tx) => {
    const claim = { scope: customer, key, fingerprint: fingerprintOf({ amount }) };
    const [claimed] = await claimKeys(tx, [claim]);
    switch (claimed?.state) {
      case 'done':
        return `${claimed.result} (the same answer as before)`;
      case 'mismatch':
        return 'refused: this key was used for another payment (HTTP 422)';
      case 'in-flight':
        return 'under way: ask again later (HTTP 409, Retry-After)';
    }
    // In the transaction of the claim: there is never one without the other.
    await tx.query('insert into payment values ($1, $2)', [customer, amount]);
    const result = `paid ${amount}`;
    await completeKeys(tx, [{ scope: customer, key, result }]);
    return result;
  });
}

console.log('twins       ', await Promise.all([pay('ada', 'k1', 500), pay('ada', 'k1', 500)]));
console.log('later       ', await pay('ada', 'k1', 500));
console.log('other amount', await pay('ada', 'k1', 900));
console.log('someone else', await pay('bob', 'k1', 700));
console.log((await database.query('select * from payment order by customer')).rows);

await database.close();
await server.stop();
rmSync(dataDir, { recursive: true, force: true });
