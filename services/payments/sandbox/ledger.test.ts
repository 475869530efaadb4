import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createMemoryJournal } from './journal.ts';
import { createLedger, sameCommand } from './ledger.ts';
import type { Command, Movement } from './ledger-types.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';
import { doubleCharges, moneyByOrder } from './witness.ts';

const create = (overrides: Partial<Extract<Command, { operation: 'create' }>> = {}): Command => ({
  operation: 'create',
  amountMinor: 1_000,
  currency: 'gbp',
  captureMethod: 'manual',
  confirm: true,
  errorOnRequiresAction: true,
  paymentMethod: 'pm_card_visa',
  description: undefined,
  metadata: { order: 'ord_1' },
  ...overrides,
});

/** One step of a random history; intents are named by how many there are. */
type Step =
  | { do: 'create'; card: string; manual: boolean; confirm: boolean; order: number; key: number }
  | { do: 'confirm' | 'capture' | 'cancel' | 'refund'; intent: number; amount: number; key: number };

const key = fc.integer({ min: 0, max: 30 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('create' as const),
    card: fc.constantFrom('pm_card_visa', 'pm_card_chargeDeclined', 'pm_card_authenticationRequired', 'pm_nobody'),
    manual: fc.boolean(),
    confirm: fc.boolean(),
    order: fc.integer({ min: 1, max: 3 }),
    key,
  }),
  fc.record({
    do: fc.constantFrom('confirm' as const, 'capture' as const, 'cancel' as const, 'refund' as const),
    intent: fc.integer({ min: 0, max: 5 }),
    amount: fc.integer({ min: 0, max: 1_200 }),
    key,
  }),
);

function commandOf(step: Step, sandbox: Pick<Sandbox, 'ledger'>): Command {
  if (step.do === 'create') {
    return create({
      paymentMethod: step.card,
      captureMethod: step.manual ? 'manual' : 'automatic',
      confirm: step.confirm,
      metadata: { order: `ord_${step.order}` },
    });
  }
  const oldestFirst = sandbox.ledger.list({ limit: 100 }).items.toReversed();
  const intentId = oldestFirst[step.intent]?.id ?? 'pi_nobody';
  const amountMinor = step.amount === 0 ? undefined : step.amount;
  switch (step.do) {
    case 'confirm':
      return { operation: 'confirm', intentId, paymentMethod: 'pm_card_visa', errorOnRequiresAction: true };
    case 'capture':
      return { operation: 'capture', intentId, amountMinor };
    case 'cancel':
      return { operation: 'cancel', intentId, reason: undefined };
    case 'refund':
      return { operation: 'refund', intentId, amountMinor, reason: undefined, metadata: {} };
  }
}

test('whatever is called in whatever order: no more is taken than was set aside, no more refunded than taken', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = createVirtualWorld({ seed: 7 });
      const sandbox = await createSandbox(world);
      for (const step of steps) await sandbox.call(commandOf(step, sandbox), `k${step.key}`);
      for (const intent of sandbox.ledger.list({ limit: 100 }).items) {
        const of = (kind: Movement['kind']) =>
          sandbox.ledger
            .entries()
            .filter((movement) => movement.intentId === intent.id && movement.kind === kind)
            .map(({ amountMinor }) => amountMinor);
        const sum = (kind: Movement['kind']) => of(kind).reduce((total, amount) => total + amount, 0);
        expect(of('authorized').length).toBeLessThanOrEqual(1);
        expect(of('captured').length).toBeLessThanOrEqual(1);
        expect(sum('refunded')).toBeLessThanOrEqual(sum('captured'));
        expect(sum('captured')).toBe(intent.capturedMinor);
        const given = sum('captured') + sum('released') + sum('voided') + intent.capturableMinor;
        expect(sum('authorized')).toBe(given);
      }
    }),
  );
});

test('books rebuilt from the journal are the same books, and remember every key', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const world = createVirtualWorld({ seed: 7 });
      const journal = createMemoryJournal({ keep: true });
      const before = await createSandbox({ ...world, journal });
      const commands = steps.map((step) => {
        const command = commandOf(step, before);
        void before.call(command, `k${step.key}`);
        return { command, key: `k${step.key}` };
      });
      const after = await createSandbox({ ...world, journal });
      expect(after.ledger.entries()).toEqual(before.ledger.entries());
      expect(after.ledger.list({ limit: 100 })).toEqual(before.ledger.list({ limit: 100 }));
      for (const { command, key } of commands) {
        if (!before.ledger.stored(key)) continue;
        expect(await after.call(command, key)).toEqual(await before.call(command, key));
      }
    }),
    { numRuns: 50 },
  );
});

test('books whose payments are all packed are the same books', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const journal = createMemoryJournal({ keep: true });
      const { ledger, call } = await createSandbox({ ...createVirtualWorld({ seed: 7 }), journal });
      for (const [i, step] of steps.entries()) await call(commandOf(step, { ledger }), `k${i % 9}`);
      const packed = createLedger({ unpackedMax: 0 });
      await journal.rebuild((record) => packed.apply(record));
      expect(packed.entries()).toEqual(ledger.entries());
      expect(packed.list({ limit: 100 })).toEqual(ledger.list({ limit: 100 }));
      for (let i = 0; i < 9; i++) expect(packed.stored(`k${i}`)).toEqual(ledger.stored(`k${i}`));
      for (const { id, refunds } of ledger.list({ limit: 100 }).items) {
        expect(packed.intent(id)).toEqual(ledger.intent(id));
        for (const refund of refunds) expect(packed.refund(refund.id)).toEqual(refund);
      }
      for (const order of ['ord_1', 'ord_2', 'ord_3']) expect(packed.ofOrder(order)).toEqual(ledger.ofOrder(order));
    }),
    { numRuns: 50 },
  );
});

test('attempts that moved no money are forgotten with their keys, whatever moved some stays', () => {
  const ledger = createLedger({ keyTtlMs: 1_000 });
  const run = (command: Command, key: string, nowMs: number) => {
    const decision = ledger.decide(command, { nowMs, newId: (prefix) => `${prefix}_1`, key });
    if (decision.kind === 'executed') ledger.apply(decision.record);
  };
  run(create({ confirm: false }), 'k', 0);
  const confirm = (paymentMethod: string): Command => ({
    ...{ operation: 'confirm', intentId: 'pi_1', paymentMethod, errorOnRequiresAction: true },
  });
  for (let i = 0; i < 200; i++) run(confirm('pm_card_chargeDeclined'), `declined${i}`, i * 100);
  run(confirm('pm_card_visa'), 'paid', 20_000);
  for (let i = 0; i < 200; i++) run(confirm('pm_card_visa'), `again${i}`, 30_000 + i * 100);
  expect(ledger.stored('declined3')).toBeUndefined();
  expect(ledger.stored('again199')).toMatchObject({ status: 400 });
  expect(ledger.stored('paid')).toMatchObject({ status: 200 });
  expect(ledger.entries()).toMatchObject([{ kind: 'authorized', key: 'paid' }]);
});

test('a repeat does nothing: the ledger grows only with keys it has not seen', async () => {
  const sandbox = await createSandbox(createVirtualWorld({ seed: 1 }));
  const first = await sandbox.call(create(), 'k');
  const lastSeq = sandbox.ledger.lastSeq;
  expect(await sandbox.call(create(), 'k')).toEqual({ ...first, replayed: true });
  expect(sandbox.ledger.lastSeq).toBe(lastSeq);
});

test('a key is forgotten after a day, not before', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const sandbox = await createSandbox(world);
  await sandbox.call(create(), 'k');
  await world.advance(24 * 3_600_000);
  expect(await sandbox.call(create(), 'k')).toMatchObject({ replayed: true });
  await world.advance(1_000);
  expect(await sandbox.call(create(), 'k')).toMatchObject({ replayed: false });
  expect(await sandbox.call(create(), 'k')).toMatchObject({ replayed: true });
});

test('a full sandbox refuses new payments and still captures the ones it has', async () => {
  const sandbox = await createSandbox({ ...createVirtualWorld({ seed: 1 }), intentsMax: 1 });
  const made = await sandbox.call(create(), 'k1');
  expect(await sandbox.call(create(), 'k2')).toMatchObject({ status: 429 });
  const intentId = made.kind === 'reply' ? (made.intent?.id ?? '') : '';
  expect(await sandbox.call({ operation: 'capture', intentId, amountMinor: undefined }, 'k3')).toMatchObject({
    status: 200,
  });
});

test('after a failed write nothing is promised any more, not even by a repeat', async () => {
  const world = createVirtualWorld({ seed: 1 });
  let full = false;
  const failure = new Error('no space left on the device');
  const sandbox = await createSandbox({
    ...world,
    journal: {
      rebuild: async () => ({ records: 0, tornBytes: 0 }),
      append: async () => {
        if (full) throw failure;
      },
      settled: () => undefined,
      close: async () => {},
    },
  });
  expect(await sandbox.call(create(), 'k1')).toMatchObject({ status: 200 });
  full = true;
  expect(await sandbox.call(create(), 'k2')).toMatchObject({ status: 500, error: { message: failure.message } });
  full = false;
  for (const key of ['k2', 'k1', 'k3']) expect(await sandbox.call(create(), key)).toMatchObject({ status: 500 });
  expect(await sandbox.read((ledger) => ledger.entries())).toMatchObject({ kind: 'failed', status: 500 });
});

test('a record out of sequence is refused: a journal with a hole does not make books', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const ledger = createLedger();
  const decision = ledger.decide(create(), { nowMs: 0, newId: (prefix) => world.ids.next(prefix), key: undefined });
  if (decision.kind !== 'executed') throw new Error('not executed');
  expect(() => ledger.apply({ ...decision.record, seq: 2 })).toThrow(/record 2 does not follow record 0/);
});

test('calls are compared by content: order of fields and fields left out make no difference', () => {
  expect(sameCommand(create({ metadata: { a: '1', b: '2' } }), create({ metadata: { b: '2', a: '1' } }))).toBe(true);
  expect(sameCommand(create(), JSON.parse(JSON.stringify(create())))).toBe(true);
  expect(sameCommand(create(), create({ amountMinor: 1_001 }))).toBe(false);
  expect(sameCommand(create(), create({ metadata: { order: 'ord_1', more: '1' } }))).toBe(false);
});

test('the witness sees a double charge, and sums an order over its payments', async () => {
  const sandbox = await createSandbox(createVirtualWorld({ seed: 1 }));
  const pay = (key: string) => sandbox.call(create({ captureMethod: 'automatic' }), key);
  await pay('k1');
  await pay('k1');
  expect(doubleCharges(sandbox.ledger.entries())).toEqual([]);
  await pay('k2');
  expect(doubleCharges(sandbox.ledger.entries())).toMatchObject([{ orderId: 'ord_1', capturedMinor: 2_000 }]);
  expect(moneyByOrder(sandbox.ledger.entries()).get('ord_1')).toMatchObject({ heldMinor: 0, netMinor: 2_000 });
});
