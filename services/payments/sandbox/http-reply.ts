import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiError, Command } from './ledger-types.ts';
import { ParamError } from './params.ts';
import type { Read, Sandbox } from './sandbox.ts';
import { errorReplyJson, intentJson, refundJson } from './wire.ts';

const keyLengthMax = 255;

/** Runs a changing call under the request's Idempotency-Key and sends Stripe's answer, or breaks the connection. */
export async function answerCall(sandbox: Sandbox, request: FastifyRequest, reply: FastifyReply, command: Command) {
  const header = request.headers['idempotency-key'];
  const key = typeof header === 'string' && header !== '' ? header : undefined;
  if (key !== undefined && key.length > keyLengthMax) {
    throw new ParamError(
      `Idempotency keys take up to ${keyLengthMax} characters.`,
      'idempotency_key',
      'parameter_invalid',
    );
  }
  const outcome = await sandbox.call(command, key);
  if (outcome.kind === 'lost') return breakConnection(reply);
  if (key !== undefined) reply.header('idempotency-key', key);
  if (outcome.replayed) reply.header('idempotent-replayed', 'true');
  // Stripe tells its own libraries when a repeat is of use.
  if (outcome.status === 409 || outcome.status >= 500) reply.header('stripe-should-retry', String(!outcome.replayed));
  reply.header('request-id', `req_${sandbox.ledger.lastSeq}`).code(outcome.status);
  if (outcome.error) return reply.send(errorReplyJson(outcome.error, outcome.intent));
  return reply.send(outcome.refund ? refundJson(outcome.refund) : outcome.intent && intentJson(outcome.intent));
}

export function answerRead<T>(reply: FastifyReply, read: Read<T>, body: (value: T) => unknown) {
  if (read.kind === 'lost') return breakConnection(reply);
  if (read.kind === 'failed') return sendError(reply, read.status, read.error);
  return reply.send(body(read.value));
}

/** The reply that never comes: what a caller sees when a balancer dies or a cable is pulled. */
function breakConnection(reply: FastifyReply): FastifyReply {
  reply.hijack();
  reply.raw.destroy();
  return reply;
}

export function sendError(reply: FastifyReply, status: number, error: ApiError): FastifyReply {
  return reply.code(status).send(errorReplyJson(error));
}

export function sendFailure(error: unknown, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof ParamError) {
    const { message, param, code } = error;
    return sendError(reply, code === 'resource_missing' ? 404 : 400, {
      type: 'invalid_request_error',
      message,
      param,
      code,
    });
  }
  const { statusCode: status = 500, message } = error as { statusCode?: number; message: string };
  return sendError(reply, status, { type: status < 500 ? 'invalid_request_error' : 'api_error', message });
}
