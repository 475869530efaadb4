// An operation described once: served over HTTP, called through a typed client, documented as OpenAPI.
import Type from 'typebox';
import {
  anonymous,
  createClient,
  createHttpServer,
  createHttpTransport,
  defineService,
  type Handlers,
  implement,
  openApi,
  problemTable,
  routesOf,
} from '#kit/contract';
import { systemClock } from '#kit/runtime';

const problems = problemTable('greetings', {
  'name-unknown': {
    status: 404,
    title: 'Nobody has that name',
    category: 'input',
    retry: 'never',
    hint: 'Ada and Grace are known.',
  },
});

const greetings = defineService({
  service: 'greetings',
  problems,
  operations: {
    greet: {
      method: 'POST',
      path: '/people/{name}/greetings',
      summary: 'Greet somebody, several times if you like',
      access: ['anonymous'],
      params: Type.Object({ name: Type.String({ maxLength: 20 }) }),
      body: Type.Object({ times: Type.Integer({ minimum: 1, maximum: 3 }) }, { additionalProperties: false }),
      responses: { 200: Type.Object({ text: Type.String() }) },
      problems: ['greetings/name-unknown'],
    },
  },
});

const handlers: Handlers<typeof greetings> = {
  async greet({ params, body }) {
    if (!['Ada', 'Grace'].includes(params.name)) throw problems['name-unknown']({ detail: params.name });
    return { status: 200, body: { text: `Hello ${params.name}! `.repeat(body.times).trim() } };
  },
};
const server = implement(greetings, handlers, { clock: systemClock });

const http = createHttpServer({ routes: routesOf(server), admit: (request) => request });
const origin = await http.listen({ host: '127.0.0.1', port: 0 });
const transport = createHttpTransport({ contracts: [greetings], origin });
const client = createClient(greetings, { transport, clock: systemClock });
const context = {
  caller: anonymous,
  correlationId: 'example',
  step: 0,
  traceparent: undefined,
  idempotencyKey: undefined,
  deadlineAtMs: systemClock.monotonicMs() + 2_000,
  signal: new AbortController().signal,
  headers: {},
};

const reply = await client.greet({ params: { name: 'Ada' }, body: { times: 2 } }, context);
console.log(reply.status, reply.body.text);

for (const [name, times] of [
  ['Grace', 9],
  ['Bob', 1],
] as const) {
  const problem = await client.greet({ params: { name }, body: { times } }, context).catch((error) => error);
  console.log(problem.status, problem.code, '|', problem.detail, '| retry:', problem.retry);
}

const document = openApi([greetings], { title: 'Greetings', version: '1.0.0', include: () => true });
console.log('OpenAPI', document['openapi'], Object.keys(document['paths'] as object));

await transport.close();
await http.close();
