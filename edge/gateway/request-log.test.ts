import { expect, test } from 'vitest';
import type { HttpRoute, Responded } from '#kit/contract';
import { createVirtualWorld, type Logger } from '#kit/runtime';
import { createRequestLog } from './request-log.ts';

const route = { service: 'shop', name: 'look', operation: { method: 'GET', path: '/look' } } as HttpRoute;

function answered(status: number, service = 'shop'): Responded {
  const arrival = { route: { ...route, service }, method: 'GET', correlationId: 'cor' };
  return { arrival, request: { headers: {} }, status, durationMs: 1, aborted: false } as never;
}

test('of a flood of failures the first of each kind are told one by one, and the next one how many were not', async () => {
  const world = createVirtualWorld({ seed: 1 });
  const lines: { status?: unknown; operation?: unknown; untold?: unknown }[] = [];
  const note: Logger['warn'] = (_message, fields) => void lines.push(fields ?? {});
  const log: Logger = { ...world.log, warn: note, info: note, with: () => log };
  const tell = createRequestLog({ ...world, log });
  for (let i = 0; i < 1_000; i++) tell(answered(503));
  expect(lines).toHaveLength(10);
  tell(answered(504));
  tell(answered(503, 'other'));
  tell(answered(200));
  expect(lines.slice(10).map(({ status, operation }) => `${status} ${operation}`)).toEqual([
    '504 shop.look',
    '503 other.look',
    '200 shop.look',
  ]);
  await world.advance(5_000);
  for (let i = 0; i < 2; i++) tell(answered(503));
  expect(lines.slice(13).map(({ untold }) => untold)).toEqual([990, undefined]);
});
