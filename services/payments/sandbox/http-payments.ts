import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Form } from './form.ts';
import { answerCall, answerRead } from './http-reply.ts';
import type { Ledger, ListFilter } from './ledger.ts';
import type { Refund } from './ledger-types.ts';
import {
  integer,
  known,
  ParamError,
  readCancel,
  readCapture,
  readConfirm,
  readCreate,
  readRefund,
  readSearch,
  string,
} from './params.ts';
import type { Sandbox } from './sandbox.ts';
import { intentJson, refundJson } from './wire.ts';

type ById = { Params: { id: string } };

const pageDefault = 10;
const pageMax = 100;

/** The part of Stripe's API that a card payment needs; paths and shapes are Stripe's. */
export function addPaymentRoutes(app: FastifyInstance, sandbox: Sandbox): void {
  addChanges(app, sandbox);
  addIntentReads(app, sandbox);
  addRefundReads(app, sandbox);
}

function addChanges(app: FastifyInstance, sandbox: Sandbox): void {
  app.post('/v1/payment_intents', (request, reply) => answerCall(sandbox, request, reply, readCreate(formOf(request))));
  for (const [action, readCommand] of [
    ['confirm', readConfirm],
    ['capture', readCapture],
    ['cancel', readCancel],
  ] as const) {
    app.post<ById>(`/v1/payment_intents/:id/${action}`, (request, reply) =>
      answerCall(sandbox, request, reply, readCommand(formOf(request), request.params.id)),
    );
  }
  app.post('/v1/refunds', (request, reply) => {
    const command = readRefund(formOf(request), (chargeId) => sandbox.ledger.intentOfCharge(chargeId)?.id);
    return answerCall(sandbox, request, reply, command);
  });
}

function addIntentReads(app: FastifyInstance, sandbox: Sandbox): void {
  app.get('/v1/payment_intents', async (request, reply) => {
    const filter = listFilter(request, []);
    const read = await sandbox.read((ledger) => {
      if (filter.startingAfter) found('payment_intent', filter.startingAfter, ledger.intent(filter.startingAfter));
      return ledger.list(filter);
    });
    return answerRead(reply, read, (page) => listJson('/v1/payment_intents', page.items.map(intentJson), page.hasMore));
  });
  app.get('/v1/payment_intents/search', async (request, reply) => {
    const query = request.query as Form;
    known(query, ['query', 'limit', 'page']);
    const page = string(query, 'page');
    const filter: ListFilter = {
      ...readSearch(string(query, 'query') ?? ''),
      createdToMs: sandbox.searchHorizonMs(),
      limit: limitOf(query),
      ...(page !== undefined && { startingAfter: page }),
    };
    const read = await sandbox.read((ledger) => ledger.list(filter));
    return answerRead(reply, read, ({ items, hasMore }) => ({
      object: 'search_result',
      url: '/v1/payment_intents/search',
      data: items.map(intentJson),
      has_more: hasMore,
      next_page: hasMore ? (items.at(-1)?.id ?? null) : null,
    }));
  });
  app.get<ById>('/v1/payment_intents/:id', async (request, reply) => {
    const { id } = request.params;
    const read = await sandbox.read((ledger) => found('payment_intent', id, ledger.intent(id)));
    return answerRead(reply, read, intentJson);
  });
}

function addRefundReads(app: FastifyInstance, sandbox: Sandbox): void {
  app.get('/v1/refunds', async (request, reply) => {
    const filter = listFilter(request, ['payment_intent', 'charge']);
    const query = request.query as Form;
    const read = await sandbox.read((ledger) => refundsPage(ledger, query, filter));
    return answerRead(reply, read, ({ items, hasMore }) => listJson('/v1/refunds', items.map(refundJson), hasMore));
  });
  app.get<ById>('/v1/refunds/:id', async (request, reply) => {
    const { id } = request.params;
    const read = await sandbox.read((ledger) => found('refund', id, ledger.refund(id)));
    return answerRead(reply, read, refundJson);
  });
}

function refundsPage(ledger: Ledger, query: Form, { startingAfter, limit }: ListFilter) {
  const intentId = string(query, 'payment_intent');
  const chargeId = string(query, 'charge');
  if (intentId === undefined && chargeId === undefined) {
    throw new ParamError(
      'The sandbox lists the refunds of one payment_intent or charge.',
      'payment_intent',
      'parameter_missing',
    );
  }
  const intent = intentId === undefined ? ledger.intentOfCharge(chargeId as string) : ledger.intent(intentId);
  const newestFirst: readonly Refund[] = found(
    'payment_intent',
    intentId ?? chargeId ?? '',
    intent,
  ).refunds.toReversed();
  const start = startingAfter === undefined ? 0 : newestFirst.findIndex(({ id }) => id === startingAfter) + 1;
  const items = newestFirst.slice(start, start + limit);
  return { items, hasMore: start + limit < newestFirst.length };
}

/** The SDK sends no body at all when there are no parameters. */
const formOf = (request: FastifyRequest): Form => (request.body ?? {}) as Form;

function listFilter(request: FastifyRequest, others: readonly string[]): ListFilter {
  const query = request.query as Form;
  known(query, ['limit', 'starting_after', 'created[gte]', 'created[lte]', ...others]);
  const startingAfter = string(query, 'starting_after');
  const from = integer(query, 'created[gte]');
  const to = integer(query, 'created[lte]');
  return {
    limit: limitOf(query),
    ...(startingAfter !== undefined && { startingAfter }),
    ...(from !== undefined && { createdFromMs: from * 1000 }),
    // The whole of that second counts.
    ...(to !== undefined && { createdToMs: to * 1000 + 999 }),
  };
}

function limitOf(query: Form): number {
  const limit = integer(query, 'limit') ?? pageDefault;
  if (limit < 1 || limit > pageMax) {
    throw new ParamError(`Invalid limit: must be from 1 to ${pageMax}`, 'limit', 'parameter_invalid_integer');
  }
  return limit;
}

function found<T>(what: string, id: string, value: T | undefined): T {
  if (value === undefined) throw new ParamError(`No such ${what}: '${id}'`, 'id', 'resource_missing');
  return value;
}

function listJson(url: string, data: readonly unknown[], hasMore: boolean) {
  return { object: 'list', url, has_more: hasMore, data };
}
