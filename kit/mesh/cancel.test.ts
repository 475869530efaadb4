import { expect, test, vi } from 'vitest';
import { createClient, implement } from '#kit/contract';
import { createResilientTransport } from '#kit/resilience';
import { createDatabase, until } from '#kit/store';
import { createTestDatabase } from '#kit/store/embedded/testing';
import { createTestMesh, scales, testWorld } from './testing/index.ts';

test('work for a caller who has left is cancelled down the chain, with its SQL', { timeout: 180_000 }, async () => {
  const mesh = createTestMesh();
  const { url } = await createTestDatabase();
  const database = createDatabase({ url, name: 'scales', ...testWorld });
  const { clock } = testWorld;
  const slow = implement(
    scales,
    {
      async weigh(_input, { signal }) {
        await until(signal, database).query('select pg_sleep(60) as weighing');
        return { status: 200 as const, body: { by: 'scales' } };
      },
      open: async () => ({ status: 200 as const, body: { by: 'scales' } }),
    },
    { clock },
  );
  const middle = await mesh.add({ process: 'till-1', services: ['till'] });
  const weigh = createClient(scales, {
    clock,
    transport: createResilientTransport({
      ...testWorld,
      transport: middle.client,
      policyOf: () => ({ tryTimeoutMs: 40_000 }),
    }),
  });
  const leave = new AbortController();
  try {
    await (await mesh.add({ process: 'scales-1', services: ['scales'], server: slow })).open();
    const context = {
      ...({ caller: { kind: 'service', id: 'till' }, correlationId: 'c', step: 0, traceparent: undefined } as const),
      ...{ idempotencyKey: undefined, deadlineAtMs: clock.monotonicMs() + 50_000, signal: leave.signal, headers: {} },
    };
    const answered = weigh.weigh({ params: { id: '1' }, timeoutMs: 40_000 }, context);
    const weighing = async () => {
      const sql = `select count(*)::int as count from pg_stat_activity
        where query like '%pg_sleep(60) as weighing%' and state = 'active' and pid <> pg_backend_pid()`;
      return (await database.query<{ count: number }>(sql)).rows[0]?.count;
    };
    await vi.waitFor(async () => expect(await weighing()).toBe(1), { timeout: 60_000, interval: 20 });
    leave.abort(new Error('gone'));
    await expect(answered).rejects.toThrow('gone');
    await vi.waitFor(async () => expect(await weighing()).toBe(0), { timeout: 60_000, interval: 20 });
  } finally {
    await mesh.stop();
    await database.close();
  }
});
