import type { Clock, Reply, Request } from '#kit/runtime';
import { type CallContext, contextOf, headerNames } from './context.ts';
import { tellFault } from './fault.ts';
import { readValue } from './json-body.ts';
import type { Input, OperationDescription, Output, ServiceContract } from './operation.ts';
import { contractProblems, type Problem, toProblem } from './problem.ts';
import { createValidator, type OperationValidator } from './validate.ts';

export type Handler<O extends OperationDescription> = (input: Input<O>, context: CallContext) => Promise<Output<O>>;

export type Handlers<C extends ServiceContract> = {
  readonly [Name in keyof C['operations']]: Handler<C['operations'][Name]>;
};

/** The logical clock of the process: stamps replies, and refuses a caller whose clock is too far ahead. */
export interface LogicalClockPort {
  /** With the stamp of a committed fact: after that as well. */
  tick(cause?: string): string;
  /** Throws when the remote time is ahead by more than the bound. */
  receive(remote: string): void;
}

export interface ServerOptions {
  readonly clock: Clock;
  readonly logicalClock?: LogicalClockPort;
  /** Checks replies against the contract too. For tests and the simulator. Default false. */
  readonly checkReplies?: boolean;
  /** Called after each request, for logs, metrics and traces. */
  readonly onServed?: (served: Served) => void;
}

export interface Served {
  readonly request: Request;
  readonly context: CallContext;
  readonly reply: Reply;
  readonly problem: Problem | undefined;
  readonly durationMs: number;
}

/** A service that answers requests, whatever carried them. */
export interface ServiceServer {
  readonly contract: ServiceContract;
  /** Never rejects: every error becomes a problem reply. */
  handle(request: Request, signal: AbortSignal): Promise<Reply>;
}

interface Route {
  readonly operation: OperationDescription;
  readonly handler: Handler<OperationDescription>;
  readonly validator: OperationValidator;
}

/** Joins a contract with its handlers: access, idempotency key, validation, deadline, problems. */
export function implement<C extends ServiceContract>(
  contract: C,
  handlers: Handlers<C>,
  options: ServerOptions,
): ServiceServer {
  const { clock, logicalClock, checkReplies = false, onServed } = options;
  const routes = new Map<string, Route>();
  for (const [name, operation] of Object.entries(contract.operations)) {
    const handler = (handlers as Record<string, unknown>)[name] as Handler<OperationDescription>;
    routes.set(name, { operation, handler, validator: createValidator(operation) });
  }

  async function run(route: Route, request: Request, context: CallContext): Promise<Reply> {
    const { operation, handler, validator } = route;
    checkAccess(operation, context);
    if (operation.idempotency === 'required') checkIdempotencyKey(context);
    if (operation.conditional && !context.headers['if-match']) throw contractProblems['precondition-required']();
    const body = readValue(request.body);
    const { query } = validator.checkRequest(request.params, request.query, body);
    if (clock.monotonicMs() >= context.deadlineAtMs) throw contractProblems.timeout({ detail: 'arrived too late' });
    const remoteTime = request.headers[headerNames.logicalTime];
    if (remoteTime && logicalClock) receiveTime(logicalClock, remoteTime, context);
    const input = { params: request.params, query, body } as unknown as Input<OperationDescription>;
    const output = await handler(input, context);
    if (checkReplies) validator.checkReply(output.status, output.body);
    const headers: Record<string, string> = { ...output.headers };
    if (logicalClock) headers[headerNames.logicalTime] = logicalClock.tick();
    return { status: output.status, headers, body: output.body };
  }

  return {
    contract,
    async handle(request, signal) {
      const startMs = clock.monotonicMs();
      const route = routes.get(request.operation);
      const context = contextOf(request, signal, startMs, route?.operation.deadlineMs ?? 2000);
      let reply: Reply;
      let problem: Problem | undefined;
      try {
        if (!route) throw contractProblems['not-found']({ detail: `${request.service} has no ${request.operation}` });
        reply = await run(route, request, context);
      } catch (error) {
        problem = toProblem(error);
        reply = tellFault(problemReply(problem, context.correlationId), problem);
      }
      onServed?.({ request, context, reply, problem, durationMs: clock.monotonicMs() - startMs });
      return reply;
    },
  };
}

/** A second gives whatever is late a chance to be there again. */
const retryAfterSecDefault = 1;

function retryAfterSec({ retry, status }: Problem): number | undefined {
  if (typeof retry === 'object') return Math.ceil(retry.afterMs / 1000);
  return retry === 'same-key' && (status === 503 || status === 504) ? retryAfterSecDefault : undefined;
}

export function problemReply(problem: Problem, correlationId?: string): Reply {
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' };
  const waitSec = retryAfterSec(problem);
  if (waitSec !== undefined) headers['retry-after'] = String(waitSec);
  if (problem.status === 401) headers['www-authenticate'] = 'Bearer';
  Object.assign(headers, problem.headers);
  const body = correlationId ? { ...problem.toJSON(), correlationId } : problem.toJSON();
  return { status: problem.status, headers, body };
}

function checkAccess(operation: OperationDescription, context: CallContext): void {
  const { kind } = context.caller;
  if (operation.access.includes('anonymous') || operation.access.includes(kind)) return;
  // An admin may do what staff may.
  if (kind === 'admin' && operation.access.includes('staff')) return;
  throw kind === 'anonymous' ? contractProblems.unauthenticated() : contractProblems.forbidden();
}

/** A sender whose clock is too far ahead would drag everyone's along, so its message is refused. */
function receiveTime(logicalClock: LogicalClockPort, remoteTime: string, { caller }: CallContext): void {
  try {
    logicalClock.receive(remoteTime);
  } catch (cause) {
    // With our time, so that a sender whose clock has been put right meanwhile learns that its peers are not wrong.
    const headers = { [headerNames.logicalTime]: logicalClock.tick() };
    throw contractProblems['clock-skew']({ detail: `${caller.id}: ${(cause as Error).message}`, cause, headers });
  }
}

const idempotencyKeyPattern = /^[\x21-\x7e]{1,255}$/;

function checkIdempotencyKey(context: CallContext): void {
  const key = context.idempotencyKey;
  if (key === undefined || key === '') throw contractProblems['idempotency-key-missing']();
  if (!idempotencyKeyPattern.test(key)) throw contractProblems['idempotency-key-invalid']();
}

/** Throws 412 unless If-Match names the current version. */
export function checkIfMatch(context: CallContext, currentEtag: string): void {
  const wanted = context.headers['if-match'];
  if (wanted === undefined) throw contractProblems['precondition-required']();
  if (wanted !== '*' && !wanted.split(',').some((tag) => tag.trim() === currentEtag)) {
    throw contractProblems['precondition-failed']({ data: { currentEtag } });
  }
}
