import { expect, test } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createAuthorizations } from './authorizations.ts';

function setUp(options: { readonly notedMax?: number; readonly fails?: boolean } = {}) {
  const world = createVirtualWorld({ seed: 1 });
  const written: string[] = [];
  const authorizations = createAuthorizations({
    ...world,
    ...options,
    async write(orderId, providerRef) {
      if (options.fails) throw new Error('no database');
      written.push(`${orderId} ${providerRef}`);
    },
  });
  return { world, written, authorizations };
}

test('an authorization is written when its capture did not come', async () => {
  const { world, written, authorizations } = setUp();
  authorizations.note('a', 'pi_1');
  await world.advance(499);
  expect(written).toEqual([]);
  expect(authorizations.refOf('a')).toBe('pi_1');
  await world.advance(1);
  expect(written).toEqual(['a pi_1']);
  expect(authorizations.refOf('a')).toBeUndefined();
});

test('what a capture has overwritten is never written', async () => {
  const { world, written, authorizations } = setUp();
  authorizations.note('a', 'pi_1');
  authorizations.forget('a');
  await world.advance(10_000);
  expect(written).toEqual([]);
});

test('who needs it in the books waits for one writing of it, and no time passes', async () => {
  const { world, written, authorizations } = setUp();
  authorizations.note('a', 'pi_1');
  await Promise.all([authorizations.settle('a'), authorizations.settle('a'), authorizations.settle('unknown')]);
  expect(written).toEqual(['a pi_1']);
  await world.advance(10_000);
  expect(written).toHaveLength(1);
});

test('what is noted is bounded: one more is written at once', async () => {
  const { world, written, authorizations } = setUp({ notedMax: 1 });
  authorizations.note('a', 'pi_1');
  authorizations.note('b', 'pi_2');
  await world.advance(0);
  expect(written).toEqual(['b pi_2']);
});

test('an orderly stop leaves nothing unwritten', async () => {
  const { written, authorizations } = setUp();
  authorizations.note('a', 'pi_1');
  authorizations.note('b', 'pi_2');
  await authorizations.drain();
  expect(written).toEqual(['a pi_1', 'b pi_2']);
});

test('where it can not be written it is told, and who needs it is not told that it was', async () => {
  const { world, authorizations } = setUp({ fails: true });
  authorizations.note('a', 'pi_1');
  await expect(authorizations.settle('a')).rejects.toThrow('no database');
  authorizations.note('b', 'pi_2');
  await world.advance(500);
  expect(authorizations.refOf('b')).toBeUndefined();
});
