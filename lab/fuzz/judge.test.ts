import { expect, test } from 'vitest';
import { seededRandom } from '#kit/runtime';
import { type Operation, operationsOf } from './api.ts';
import { type Answer, faultOf, type Role } from './judge.ts';
import { createPool } from './pool.ts';
import { drawShot } from './request.ts';
import { drawFrom, fitting } from './schema.ts';

const problem = { required: ['code'], properties: { code: { type: 'string' } }, type: 'object' };
const reply = (schema: object, media = 'application/json') => ({ description: '', content: { [media]: { schema } } });
const [read, write, list] = operationsOf({
  components: { schemas: { Problem: problem } },
  paths: {
    '/things/{id}': {
      get: {
        operationId: 'things.read',
        'x-roles': ['staff'],
        responses: {
          200: reply({ type: 'object', required: ['id'], properties: { id: { type: 'string' } } }),
          503: reply({ $ref: '#/components/schemas/Problem' } as object, 'application/problem+json'),
          default: reply({ $ref: '#/components/schemas/Problem' } as object, 'application/problem+json'),
        },
      },
      delete: { operationId: 'things.drop', responses: { 204: {} } },
    },
    '/things': {
      get: {
        operationId: 'things.export',
        responses: { 200: reply({ type: 'object', required: ['id'] }, 'application/x-ndjson') },
      },
    },
  },
} as never) as [Operation, Operation, Operation];

const json = 'application/json';
const wrong = 'application/problem+json';
const problemText = '{"code":"things/gone"}';

test.each([
  [read, 'staff', 200, json, '{"id":"a"}', undefined],
  [read, 'admin', 200, json, '{"id":"a"}', undefined],
  [read, 'customer', 200, json, '{"id":"a"}', 'customer was let in'],
  [read, 'anonymous', 401, wrong, problemText, undefined],
  [read, 'staff', 200, json, '{"id":1}', 'does not fit its schema: /id must be string'],
  [read, 'staff', 200, json, '{', 'is not JSON'],
  [read, 'staff', 200, 'text/html', '{"id":"a"}', 'is text/html, not application/json'],
  [read, 'staff', 201, json, '{"id":"a"}', 'is not in the document'],
  [read, 'staff', 404, wrong, '{}', 'does not fit its schema: it must have required properties code'],
  [read, 'staff', 503, wrong, problemText, undefined],
  [read, 'staff', 500, wrong, problemText, 'is not to be had by a request'],
  [write, 'staff', 204, '', '', undefined],
  [write, 'staff', 204, '', 'x', 'should have no body'],
  [list, 'staff', 200, 'application/x-ndjson', '{"id":1}\n{"id":2}\n', undefined],
  [
    list,
    'staff',
    200,
    'application/x-ndjson',
    '{"id":1}\n{}\n',
    'does not fit its schema: it must have required properties id',
  ],
  [list, 'staff', 200, 'application/x-ndjson', '{"id":1}\n{"id"', 'does not end its last line'],
] as const)('an answer is held against the document: %#', (operation, role, status, contentType, text, fault) => {
  const shot = { method: operation.method, url: '/', headers: {} };
  const answer: Answer = { status, contentType, text, isCut: false };
  expect(faultOf(operation, role as Role, shot, answer)).toBe(fault);
});

test('the same seed draws the same requests', () => {
  const shots = (seed: number) => {
    const draw = drawFrom(seededRandom(seed));
    return Array.from({ length: 20 }, (_, i) => drawShot(read, draw, createPool(), String(i)));
  };
  expect(shots(1)).toEqual(shots(1));
});

test('totals and rounds that answers told of are asked for again, as numbers and as texts', () => {
  const pool = createPool();
  pool.learn({ totals: { totalMinor: 11_980 }, round: 7 });
  const draw = drawFrom(seededRandom(1, 'fuzz'));
  const totalOf = () => fitting({ type: 'integer', minimum: 0 }, 'totalMinor', draw, pool);
  const roundOf = () => fitting({ type: 'string', pattern: '^[1-9][0-9]{0,8}$' }, 'round', draw, pool);
  expect(Array.from({ length: 20 }, totalOf)).toContain(11_980);
  expect(Array.from({ length: 20 }, roundOf)).toContain('7');
});
