import { headerNames, isProblem, type Problem, type ServerOptions, type ServiceServer } from '#kit/contract';
import type { Clock, Reply, Request, Transport, World } from '#kit/runtime';
import {
  hopFields,
  isSampled,
  measureActive,
  measureCalls,
  measureServed,
  type Span,
  statusClassOf,
  type Telemetry,
} from '#kit/telemetry';

/**
 * What every hop shows of itself: a span, rate, errors and duration, and a line of the log. Calls are counted at both
 * ends, since what a caller waited for and what a callee took differ by the network, queues and repeats between them.
 */

/** Opens a span for each request of a service; what the service calls and publishes becomes its children. */
export function traceServer(telemetry: Telemetry, server: ServiceServer): ServiceServer {
  const { service, operations } = server.contract;
  let active = 0;
  // The gateway counts its own (edge/gateway/observe.ts).
  measureActive(telemetry, service, () => active);
  return {
    contract: server.contract,
    async handle(request, signal) {
      active++;
      const name = Object.hasOwn(operations, request.operation) ? request.operation : 'unknown';
      const span = telemetry.span(`${service}.${name}`, request.headers[headerNames.traceparent], undefined, 'server');
      const reply = await server.handle(within(span, request), signal);
      active--;
      if (span.recording) endWith(span, service, request, reply);
      return reply;
    },
  };
}

/** Opens a span for each call that `caller` makes, and measures it as the caller sees it. */
export function observeTransport(
  telemetry: Telemetry,
  caller: string,
  transport: Transport,
  { clock }: { readonly clock: Clock },
): Transport {
  const measure = measureCalls(telemetry, caller);

  return {
    async send(request, signal) {
      const startMs = clock.monotonicMs();
      const { service, operation } = request;
      const traceparent = request.headers[headerNames.traceparent];
      // What the gateway asks by itself, every second, is its upkeep.
      const parent = traceparent ?? (caller === 'gateway' ? { aside: true } : undefined);
      const span = telemetry.span(`call ${service}.${operation}`, parent, undefined, 'client');
      let outcome = 'failed';
      try {
        const reply = await transport.send(within(span, request), signal);
        outcome = statusClassOf(reply.status);
        if (span.recording) endWith(span, caller, request, reply);
        return reply;
      } catch (error) {
        outcome = isProblem(error) ? error.category : 'failed';
        span.fail(error);
        span.end();
        throw error;
      } finally {
        measure(service, operation, outcome, clock.monotonicMs() - startMs);
      }
    },
  };
}

/** Rate, errors, duration and a log line of each request: for `onServed` of every service of a process. */
export function observeServed(
  telemetry: Telemetry,
  { log }: Pick<World, 'log'>,
): NonNullable<ServerOptions['onServed']> {
  const measure = measureServed(telemetry);

  return ({ request, context, reply, problem, durationMs }) => {
    const { service, operation } = request;
    measure(service, operation, reply.status, durationMs);
    const fields = {
      ...hopFields(context),
      traceId: context.traceparent?.slice(3, 35),
      sampled: isSampled(context.traceparent),
      operation,
      ...idsOf(request),
      status: reply.status,
      durationMs: Math.round(durationMs * 100) / 100,
    };
    if (problem?.category === 'internal') log.error('served', { ...fields, error: causeOf(problem) });
    else if (reply.status >= 500) log.warn('served', { ...fields, problem: problem?.code });
    else log.info('served', problem ? { ...fields, problem: problem.code } : fields);
  };
}

/** What the request is about: the ids in its path, `{ orderId: 'ord_…' }`. Lines and spans are found by them. */
function idsOf({ params }: Request): Readonly<Record<string, string>> {
  for (const name in params) if (isId.test(params[name] as string)) return { [name]: params[name] as string };
  return noIds;
}

const isId = /^[a-z]{2,5}_[\w-]{1,60}$/;
const noIds = {};

function causeOf(problem: Problem): unknown {
  return problem.cause ?? problem;
}

/** The same request, as a child of `span`. Unsampled ones are passed as they are: nobody will look. */
function within(span: Span, request: Request): Request {
  const { traceparent } = span;
  if (request.headers[headerNames.traceparent] === traceparent) return request;
  return { ...request, headers: { ...request.headers, [headerNames.traceparent]: traceparent } };
}

function endWith(span: Span, service: string, request: Request, reply: Reply): void {
  span.set('service', service);
  span.set('step', Number(request.headers[headerNames.step] ?? 0));
  span.set('http.response.status_code', reply.status);
  for (const [name, id] of Object.entries(idsOf(request))) span.set(name, id);
  const { code, title } = ((reply.status >= 400 ? reply.body : undefined) as { code?: string; title?: string }) ?? {};
  if (code !== undefined) span.set('problem', code);
  if (reply.status >= 500) span.fail(new Error(title ?? `status ${reply.status}`));
  span.end();
}
