import { createHash, timingSafeEqual } from 'node:crypto';
import { Readable } from 'node:stream';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { Fault } from './faults.ts';
import { parseForm } from './form.ts';
import { addPaymentRoutes } from './http-payments.ts';
import { sendError, sendFailure } from './http-reply.ts';
import type { ApiError, Movement } from './ledger-types.ts';
import { known, ParamError, string } from './params.ts';
import type { Sandbox } from './sandbox.ts';

export interface SandboxHttpOptions {
  readonly sandbox: Sandbox;
  /** The only key that is let in, for example `sk_test_…`. */
  readonly secretKey: string;
  /** For `/sandbox/…`. Default: `secretKey`. */
  readonly adminKey?: string;
}

const bodyBytesMax = 64 * 1024;
const movementsPerChunk = 500;

/** The HTTP face of the sandbox; the caller listens and closes. Routes: README.md. */
export function createSandboxHttp(options: SandboxHttpOptions): FastifyInstance {
  const { sandbox, secretKey, adminKey = secretKey } = options;
  const app = Fastify({
    bodyLimit: bodyBytesMax,
    // Stalled calls must not keep a process from ending.
    forceCloseConnections: true,
    logger: false,
    routerOptions: { maxParamLength: 255 },
  });
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_: unknown, body: string) => parseForm(body),
  );
  app.addHook('onRequest', async (request, reply) => {
    if (request.url === '/livez') return;
    const expected = request.url.startsWith('/sandbox/') ? adminKey : secretKey;
    if (!sameSecret(keyOf(request), expected)) await sendError(reply, 401, invalidKey);
  });
  app.setErrorHandler(sendFailure);
  app.setNotFoundHandler((request, reply) =>
    sendError(reply, 404, {
      type: 'invalid_request_error',
      message: `Unrecognized request URL (${request.method}: ${request.url}).`,
    }),
  );
  app.get('/livez', async () => ({ ok: true }));
  addPaymentRoutes(app, sandbox);
  addAdminRoutes(app, sandbox);
  return app;
}

function addAdminRoutes(app: FastifyInstance, sandbox: Sandbox): void {
  app.get('/sandbox/faults', async () => ({ faults: sandbox.faults.current() }));
  app.put('/sandbox/faults', async (request) => {
    const faults = (request.body as { faults?: unknown } | null)?.faults;
    try {
      sandbox.faults.set(faults as Fault[]);
    } catch (error) {
      throw new ParamError((error as Error).message, 'faults', 'parameter_invalid');
    }
    return { faults: sandbox.faults.current() };
  });
  app.get('/sandbox/ledger', async (request, reply) => {
    const query = request.query as Record<string, string>;
    known(query, ['order', 'after']);
    const orderId = string(query, 'order');
    const afterSeq = Number(string(query, 'after') ?? 0);
    // A read of the books like any other: nothing is shown that a crash could still take back.
    const read = await sandbox.read((ledger) => ledger.entries());
    if (read.kind !== 'value') return sendError(reply, 503, { type: 'api_error', message: 'a fault on reads is set' });
    reply.type('application/x-ndjson');
    return reply.send(Readable.from(ndjson(read.value, read.value.length, orderId, afterSeq)));
  });
}

/** `count` is taken at the start, so that a stream of a busy ledger ends. */
function* ndjson(movements: readonly Movement[], count: number, orderId: string | undefined, afterSeq: number) {
  let chunk = '';
  let lines = 0;
  for (let i = 0; i < count; i++) {
    const movement = movements[i] as Movement;
    if (movement.seq <= afterSeq || (orderId !== undefined && movement.orderId !== orderId)) continue;
    chunk += `${JSON.stringify(movement)}\n`;
    if (++lines % movementsPerChunk > 0) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}

const invalidKey: ApiError = { type: 'invalid_request_error', message: 'Invalid API Key provided.' };

/** Bearer, or the user of Basic: Stripe takes both. */
function keyOf(request: FastifyRequest): string {
  const [scheme, credentials = ''] = (request.headers.authorization ?? '').split(' ', 2);
  if (scheme === 'Bearer') return credentials;
  if (scheme === 'Basic') return Buffer.from(credentials, 'base64').toString().split(':')[0] ?? '';
  return '';
}

/** Compares digests, so neither length nor content shows in the time it takes. */
function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
