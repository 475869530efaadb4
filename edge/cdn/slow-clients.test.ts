import { PassThrough, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createSlowClients } from './slow-clients.ts';

const chunk = Buffer.alloc(1_000);

/** A client that takes what it is sent when it is told to. */
function client() {
  let take = () => {};
  const stream = new Writable({
    highWaterMark: 100,
    write(_bytes, _encoding, done) {
      take = done;
    },
  });
  stream.on('error', () => {});
  return { stream, take: () => take() };
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function setUp(bounds: { addressBytesMax?: number; bytesMax?: number } = {}) {
  const world = createVirtualWorld({ seed: 1 });
  const slow = createSlowClients({ timers: world.timers, stallMs: 1_000, uploadsMax: 2, ...bounds });
  const pour = (address: string) => {
    const [body, to] = [new PassThrough({ highWaterMark: 1_000_000 }), client()];
    slow.pour(body, to.stream, address);
    return { body, ...to };
  };
  return { world, slow, pour };
}

test('the origin is rid of its reply at once, its client takes it as it likes and gets all of it', async () => {
  const { world, pour } = setUp();
  const { body, stream, take } = pour('a');
  for (let i = 0; i < 5; i++) body.write(chunk);
  body.end();
  await settle();
  expect(body.readableEnded).toBe(true);
  // Slowly, but on and on: longer than a stall in all.
  for (let i = 0; i < 5; i++) {
    await world.advance(900);
    take();
    await settle();
  }
  expect(stream.writableFinished).toBe(true);
  expect(stream.errored).toBeNull();
});

test('a body that was read to its end before ends its reply', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const slow = createSlowClients({ timers: world.timers, stallMs: 1_000 });
  const [body, { stream }] = [new PassThrough(), client()];
  body.end();
  body.resume();
  await settle();
  slow.pour(body, stream, 'a');
  await settle();
  expect(stream.writableFinished).toBe(true);
});

test('who takes nothing for the time of a stall is cut off', async () => {
  const { world, pour } = setUp();
  const { body, stream } = pour('a');
  body.write(chunk);
  await settle();
  await world.advance(999);
  expect(stream.destroyed).toBe(false);
  await world.advance(2_000);
  expect(stream.destroyed).toBe(true);
  await settle();
  expect(body.destroyed).toBe(true);
});

test('one address has so much held for it, whatever others do; what is freed may be held again', async () => {
  const { pour } = setUp({ addressBytesMax: 2_500 });
  const [greedy, other] = [pour('a'), pour('b')];
  greedy.body.write(chunk);
  greedy.body.write(chunk);
  other.body.write(chunk);
  await settle();
  expect([greedy.stream.destroyed, other.stream.destroyed]).toEqual([false, false]);
  greedy.body.write(chunk);
  await settle();
  expect([greedy.stream.destroyed, other.stream.destroyed]).toEqual([true, false]);
  const again = pour('a');
  again.body.write(chunk);
  again.body.write(chunk);
  await settle();
  expect(again.stream.destroyed).toBe(false);
});

test('when all together hold too much, the origin waits until the client takes some', async () => {
  const { pour } = setUp({ bytesMax: 1_500 });
  const { body, stream, take } = pour('a');
  body.write(chunk);
  await settle();
  body.write(chunk);
  await settle();
  expect(body.isPaused()).toBe(true);
  for (let i = 0; i < 2; i++) {
    take();
    await settle();
  }
  expect(body.isPaused()).toBe(false);
  expect(stream.destroyed).toBe(false);
});

test('bodies that come in have a bound for each address, and make room when they end, once', () => {
  const { slow } = setUp();
  const ends = [slow.beginUpload('a'), slow.beginUpload('a')];
  expect(slow.beginUpload('a')).toBeUndefined();
  expect(slow.beginUpload('b')).toBeDefined();
  ends[0]?.();
  ends[0]?.();
  expect(slow.beginUpload('a')).toBeDefined();
  expect(slow.beginUpload('a')).toBeUndefined();
});
