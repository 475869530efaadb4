import Type from 'typebox';
import { expect, test } from 'vitest';
import { createVirtualWorld, type Request, systemTimers, type Transport } from '#kit/runtime';
import {
  anonymous,
  type CallContext,
  type Caller,
  contextOf,
  contractProblems,
  createClient,
  createLocalTransport,
  defineService,
  type Handlers,
  headerNames,
  implement,
  isProblem,
  openApi,
  problemReply,
  problemTable,
  toProblem,
  waitUntilMs,
} from './index.ts';

const world = createVirtualWorld({ seed: 1 });

const problems = problemTable('shelf', {
  full: { status: 409, title: 'Full', category: 'conflict', retry: { afterMs: 1_500 }, hint: 'Wait.' },
});
const shelf = defineService({
  service: 'shelf',
  problems,
  operations: {
    put: {
      method: 'PUT',
      path: '/shelf/{slot}',
      summary: 'Put',
      access: ['staff', 'service'],
      idempotency: 'required',
      conditional: true,
      headers: { 'shelf-key': { description: 'Opens it', required: true } },
      params: Type.Object({ slot: Type.String() }),
      body: Type.Object({ thing: Type.String() }, { additionalProperties: false }),
      responses: { 200: Type.Object({ thing: Type.String() }, { additionalProperties: false }) },
      problems: ['shelf/full'],
    },
    look: {
      method: 'GET',
      path: '/shelf/{slot}',
      summary: 'Look',
      access: ['anonymous'],
      params: Type.Object({ slot: Type.String() }),
      responses: { 200: Type.Object({ thing: Type.String() }, { additionalProperties: false }) },
      deadlineMs: 700,
    },
  },
});

const handlers: Handlers<typeof shelf> = {
  async put({ body }) {
    if (body.thing === 'elephant') throw problems.full({ detail: 'no room', data: { slots: 3 } });
    return { status: 200, body };
  },
  look: async ({ params }) => ({ status: 200, body: { thing: params.slot } }),
};
const server = implement(shelf, handlers, { clock: world.clock, checkReplies: true });
const local = createLocalTransport(systemTimers);
local.attach(server);
const seen: Request[] = [];
const transport: Transport = {
  send(request, signal) {
    seen.push(request);
    return local.send(request, signal);
  },
};
const client = createClient(shelf, { transport, clock: world.clock });

const as = (caller: Caller, extra: Partial<CallContext> = {}): CallContext => ({
  caller,
  correlationId: 'cor_1',
  step: 3,
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  idempotencyKey: undefined,
  deadlineAtMs: world.clock.monotonicMs() + 1_000,
  signal: new AbortController().signal,
  headers: {},
  ...extra,
});
const staff = as({ kind: 'staff', id: 'usr_1' });
const put = { params: { slot: 'a' }, body: { thing: 'cup' }, key: 'k', headers: { 'if-match': '*' } };

test('a call carries caller, correlation id, trace, one step more and what is left of the deadline', async () => {
  seen.length = 0;
  await client.put(put, staff);
  expect(seen[0]?.headers).toMatchObject({
    [headerNames.caller]: 'staff:usr_1',
    [headerNames.correlationId]: 'cor_1',
    [headerNames.step]: '4',
    [headerNames.deadlineMs]: '980',
    [headerNames.idempotencyKey]: 'k',
    traceparent: staff.traceparent,
  });
});

test('a mistake is told in words that say what would fit', async () => {
  const colours = ['red', 'blue', 'green', 'grey', 'black', 'white', 'brown', 'pink', 'lilac', 'gold'] as const;
  const colour = Type.Union(colours.map((name) => Type.Literal(name)));
  const service = defineService({
    service: 'paint',
    operations: {
      mix: {
        ...{ method: 'POST', path: '/mix', summary: 'Mixes', access: ['anonymous'] as const },
        body: Type.Object({
          code: Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217 code' }),
          size: Type.Enum(['s', 'l']),
          colour,
        }),
        responses: { 200: Type.Unknown() },
      },
    },
  });
  const server = implement(service, { mix: async () => ({ status: 200 as const, body: {} }) }, { clock: world.clock });
  const body = { code: 'eur', size: 'm', colour: 'mauve' };
  const headers = { [headerNames.deadlineMs]: '1000' };
  const request = { service: 'paint', operation: 'mix', params: {}, query: {}, headers, body };
  const reply = await server.handle(request, new AbortController().signal);
  expect((reply.body as { errors: unknown }).errors).toEqual([
    { pointer: '/code', detail: 'must match pattern "^[A-Z]{3}$": ISO 4217 code' },
    { pointer: '/size', detail: 'must be one of s, l' },
    { pointer: '/colour', detail: `must be one of ${colours.join(', ')}` },
  ]);
});

test('whoever waits for what goes on by itself says so while there is time: by the wish of the caller, else with a tenth left', () => {
  const until = (deadlineAtMs: number, answerByMs?: number) =>
    waitUntilMs({ ...as(anonymous), deadlineAtMs, ...(answerByMs === undefined ? {} : { answerByMs }) }, 0);
  expect(until(8_000, 3_000)).toBe(3_000);
  expect(until(10_000)).toBe(9_000);
  expect(until(300)).toBe(250);
  expect(until(3_000, 9_000)).toBe(2_700);
  const { answerByMs } = contextOf(
    {
      ...{ service: 's', operation: 'o', params: {}, query: {}, body: undefined },
      headers: { 'holdfast-answer-ms': '30' },
    },
    new AbortController().signal,
    1_000,
    2_000,
  );
  expect(answerByMs).toBe(1_030);
});

test('a deadline or a wish that is no plain number counts as none: nothing waits for NaN', () => {
  for (const odd of ['', 'soon', '-1', '1e99', 'NaN', 'Infinity', '1.5', '9'.repeat(40)]) {
    const context = contextOf(
      {
        ...{ service: 's', operation: 'o', params: {}, query: {}, body: undefined },
        headers: { 'holdfast-answer-ms': odd, 'holdfast-deadline-ms': odd },
      },
      new AbortController().signal,
      1_000,
      2_000,
    );
    expect([context.deadlineAtMs, context.answerByMs, waitUntilMs(context, 1_000)], odd).toEqual([
      3_000,
      undefined,
      2_800,
    ]);
  }
});

test("the shortest of the caller's, the operation's and the call's own deadline counts", async () => {
  seen.length = 0;
  await client.look({ params: { slot: 'a' } }, as(anonymous));
  await client.look({ params: { slot: 'a' }, timeoutMs: 100 }, as(anonymous));
  expect(seen.map((request) => request.headers[headerNames.deadlineMs])).toEqual(['700', '100']);
});

test('a call for which no time is left is not sent', async () => {
  seen.length = 0;
  const late = as(anonymous, { deadlineAtMs: world.clock.monotonicMs() + 10 });
  await expect(client.look({ params: { slot: 'a' } }, late)).rejects.toMatchObject({ code: 'contract/timeout' });
  expect(seen).toEqual([]);
});

test('access is checked: who may not is told so, an admin may what staff may', async () => {
  await expect(client.put(put, as(anonymous))).rejects.toMatchObject({ code: 'contract/unauthenticated' });
  await expect(client.put(put, as({ kind: 'customer', id: 'x' }))).rejects.toMatchObject({
    code: 'contract/forbidden',
  });
  await expect(client.put(put, as({ kind: 'admin', id: 'x' }))).resolves.toMatchObject({ status: 200 });
  await expect(client.put(put, as({ kind: 'service', id: 'x' }))).resolves.toMatchObject({ status: 200 });
});

test('what an operation requires is required: key and precondition', async () => {
  const { key: _key, ...keyless } = put;
  await expect(client.put(keyless, staff)).rejects.toMatchObject({ code: 'contract/idempotency-key-missing' });
  await expect(client.put({ ...put, key: 'two words' }, staff)).rejects.toMatchObject({
    code: 'contract/idempotency-key-invalid',
  });
  await expect(client.put({ ...put, headers: {} }, staff)).rejects.toMatchObject({
    code: 'contract/precondition-required',
  });
});

test('a problem arrives as it was thrown: code, detail, retry advice and extension members', async () => {
  const problem = await client.put({ ...put, body: { thing: 'elephant' } }, staff).catch((error) => error);
  expect(isProblem(problem)).toBe(true);
  expect(problem).toMatchObject({
    code: 'shelf/full',
    status: 409,
    category: 'conflict',
    detail: 'no room',
    retry: { afterMs: 1_500 },
    hint: 'Wait.',
    data: { slots: 3, correlationId: 'cor_1' },
  });
});

test('Retry-After is the advice in whole seconds, rounded up', async () => {
  const reply = await server.handle(
    {
      service: 'shelf',
      operation: 'put',
      params: { slot: 'a' },
      query: {},
      headers: { [headerNames.caller]: 'staff:x', 'idempotency-key': 'k', 'if-match': '*' },
      body: { thing: 'elephant' },
    },
    staff.signal,
  );
  expect(reply.headers['retry-after']).toBe('2');
});

test('who is told that something is away or late is told when to come back, also where its outcome is unknown', () => {
  const waitOf = (error: unknown) => problemReply(toProblem(error)).headers['retry-after'];
  expect(waitOf(contractProblems.timeout())).toBe('1');
  expect(waitOf({ category: 'unavailable', retry: 'same-key' })).toBe('1');
  expect(waitOf(contractProblems.internal())).toBeUndefined();
  expect(waitOf(contractProblems['not-found']())).toBeUndefined();
});

test('a handler that breaks its own contract is found out when replies are checked', async () => {
  const broken = { ...handlers, look: async () => ({ status: 200, body: { thing: 7, more: true } }) };
  const liar = implement(shelf, broken as unknown as Handlers<typeof shelf>, {
    clock: world.clock,
    checkReplies: true,
  });
  const request = { service: 'shelf', operation: 'look', params: { slot: 'a' }, query: {}, headers: {} };
  expect((await liar.handle(request, staff.signal)).body).toMatchObject({ code: 'contract/bad-reply' });
});

test('an error that says it is unavailable becomes 503 with its own advice; any other is internal and says nothing', () => {
  const away = Object.assign(new Error('db at 10.0.0.1 is away'), { category: 'unavailable', retry: { afterMs: 500 } });
  expect(toProblem(away).toJSON()).toMatchObject({ code: 'contract/unavailable', retry: { afterMs: 500 } });
  expect(JSON.stringify([toProblem(away), toProblem(new Error('secret')), toProblem(null)])).not.toMatch(
    /10\.0|secret/,
  );
  expect(toProblem(away).cause).toBe(away);
});

test('a service that is nowhere is unavailable, and what was not done is safe to repeat', async () => {
  const nowhere = createClient(shelf, { transport: createLocalTransport(systemTimers), clock: world.clock });
  await expect(nowhere.look({ params: { slot: 'a' } }, as(anonymous))).rejects.toMatchObject({
    code: 'contract/unavailable',
    retry: { afterMs: 1000 },
  });
});

test('the document names parameters, required headers, replies and problems of each operation', () => {
  const document = openApi([shelf], { title: 'Shelf', version: '1', include: ({ method }) => method === 'PUT' });
  const { paths } = document as { paths: Record<string, Record<string, { parameters: { name: string }[] } & object>> };
  expect(Object.keys(paths['/shelf/{slot}'] ?? {})).toEqual(['put']);
  const operation = paths['/shelf/{slot}']?.['put'];
  expect(operation?.parameters.map(({ name }) => name)).toEqual(['slot', 'Idempotency-Key', 'If-Match', 'shelf-key']);
  expect(operation?.parameters.at(-1)).toMatchObject({ in: 'header', required: true, description: 'Opens it' });
  expect(operation).toMatchObject({
    operationId: 'shelf.put',
    security: [{ bearer: [] }],
    responses: { 409: { description: 'shelf/full: Full' }, default: {} },
  });
});

test('a contract that names a problem which no table has is refused', () => {
  const wrong = defineService({
    service: 'wrong',
    operations: {
      get: { method: 'GET', path: '/', summary: '', access: ['anonymous'], responses: {}, problems: ['wrong/typo'] },
    },
  });
  expect(() => openApi([wrong], { title: '', version: '', include: () => true })).toThrow('wrong/typo');
});

test('every problem of the common table says what to do', () => {
  for (const make of Object.values(contractProblems)) {
    const problem = make();
    expect(problem.hint.length, problem.code).toBeGreaterThan(10);
    expect(problem.status, problem.code).toBeGreaterThanOrEqual(400);
  }
});
