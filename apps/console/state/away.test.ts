import { expect, test } from 'vitest';
import { ApiProblem } from '#api';
import { noAnswer, offline } from '../../api/problem.ts';
import { mayBeDone, notDone, notDoneBecause, staffWords } from './away.ts';

const problem = (status: number, code: string, retry: ApiProblem['retry'], service = 'payments') =>
  Object.assign(new ApiProblem(status, { code, detail: 'payments is registered nowhere', hint: 'Look.', retry }), {
    service,
  });

test('a service that is away is told of by what it means for orders and money, not in the words of the mesh', () => {
  expect(staffWords(problem(503, 'mesh/no-instance', 'same-key'))).toMatch(
    /^The service “payments” does not answer just now. New orders are accepted and wait/,
  );
  expect(staffWords(problem(503, 'resilience/breaker-open', { afterMs: 1 }, 'analytics'))).toMatch(
    /^The service “analytics” does not answer just now. .*Orders and money are not affected.$/,
  );
  expect(staffWords(Object.assign(noAnswer(6_000), { service: 'orders' }))).toBe(
    'The service “orders” takes too long to answer just now. Orders that were accepted are safe.',
  );
  expect(staffWords(problem(503, 'mesh/overloaded', { afterMs: 1 }))).toMatch(/has more to do than it can/);
  expect(staffWords(problem(503, 'contract/unavailable', 'same-key', 'operators'))).toBe(
    'A part of the system does not answer just now.',
  );
});

test('what was refused says why and what to do', () => {
  const refused = new ApiProblem(409, { detail: 'Only €5.00 are left', hint: 'Refund less.', retry: 'never' });
  expect(staffWords(refused)).toBe('Only €5.00 are left. Refund less.');
});

test('a change may have been made unless it was refused or never sent', () => {
  expect(mayBeDone(problem(503, 'contract/unavailable', 'same-key'))).toBe(true);
  expect(mayBeDone(problem(409, 'contract/idempotency-key-in-flight', { afterMs: 1 }))).toBe(true);
  expect(mayBeDone(offline(new Error('cut')))).toBe(true);
  expect(mayBeDone(problem(409, 'orders/not-refundable', 'never'))).toBe(false);
  expect(mayBeDone(problem(429, 'gateway/too-many', { afterMs: 1 }))).toBe(false);
  expect(mayBeDone(new Error('never sent'))).toBe(false);
  expect(notDone(problem(503, 'contract/unavailable', 'same-key'), 'saved')).toBe('It is not known to be saved');
  expect(notDone(problem(409, 'orders/not-refundable', 'never'))).toBe('It was not done');
  expect(notDoneBecause(problem(503, 'mesh/no-instance', 'same-key', 'assistant'))).toMatch(
    /^It is not known to be done. The service “assistant” does not answer just now. /,
  );
  expect(notDoneBecause(new Error('never sent'))).toBe('It was not done. It could not be sent.');
});
