import { type Fault, headerNames, type Priority, problemReply, type ServiceServer, tellFault } from '#kit/contract';
import { type AdaptiveLimit, createAdaptiveLimit } from '#kit/resilience';
import type { Clock, Reply } from '#kit/runtime';
import { meshProblems } from '../problems.ts';

/** A service that refuses early what it can't do in time, the least important first: 503 with Retry-After. */
export function shedLoad(
  server: ServiceServer,
  { clock, limit = createAdaptiveLimit({ clock }) }: { readonly clock: Clock; readonly limit?: AdaptiveLimit },
): ServiceServer {
  const { service, operations } = server.contract;
  return {
    contract: server.contract,
    async handle(request, signal) {
      const priority = moreImportant(operations[request.operation]?.priority, request.headers[headerNames.priority]);
      if (!limit.enter(request.operation, priority)) {
        const detail = `${service} works on ${limit.active} requests; ${request.operation} is of ${priority} priority`;
        const problem = meshProblems.overloaded({ detail, retry: { afterMs: limit.retryAfterMs } });
        return tellFault(problemReply(problem, request.headers[headerNames.correlationId]), problem);
      }
      const startMs = clock.monotonicMs();
      let outcome: Outcome = 'dropped';
      try {
        const headers = { ...request.headers, [headerNames.priority]: priority };
        const reply = await server.handle({ ...request, headers }, signal);
        outcome = outcomeOf(reply, signal);
        return reply;
      } finally {
        limit.leave(request.operation, priority, clock.monotonicMs() - startMs, outcome);
      }
    },
  };
}

type Outcome = Parameters<AdaptiveLimit['leave']>[3];

function outcomeOf({ status, headers }: Reply, { aborted }: AbortSignal): Outcome {
  // What was waited for elsewhere is late whatever there is to do here.
  if (headers[headerNames.fault] === ('elsewhere' satisfies Fault)) return 'ignored';
  return aborted || status === 503 || status === 504 ? 'dropped' : 'success';
}

const ranks: readonly string[] = ['low', 'normal', 'critical'] satisfies readonly Priority[];

/** A call is as important as the operation, or as the work that it is part of. */
function moreImportant(own: Priority = 'normal', inherited: string | undefined): Priority {
  return ranks.indexOf(inherited ?? '') > ranks.indexOf(own) ? (inherited as Priority) : own;
}
