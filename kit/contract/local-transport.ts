import type { Reply, Request, Timers } from '#kit/runtime';
import { headerNames, millisecondsIn } from './context.ts';
import { contractProblems } from './problem.ts';
import type { ServiceServer } from './server.ts';

/**
 * Carries requests by function call to services of the same process, and everything else to `elsewhere`.
 * Bodies are handed over as they are: nothing here changes a message once it is sent.
 */
export function createLocalTransport(timers: Timers, elsewhere?: Elsewhere): LocalTransport {
  const servers = new Map<string, ServiceServer>();
  return {
    attach(server) {
      servers.set(server.contract.service, server);
    },
    async send(request, signal, tried) {
      const server = servers.get(request.service);
      if (server) return withDeadline(timers, server, request, signal);
      if (elsewhere) return elsewhere.send(request, signal, tried);
      throw contractProblems.unavailable({ detail: `no instance of ${request.service} is known here` });
    },
  };
}

export interface LocalTransport extends Elsewhere {
  attach(server: ServiceServer): void;
}

/** A transport that chooses among instances may note in `tried` where a call went. */
interface Elsewhere {
  send(request: Request, signal: AbortSignal, tried?: Set<string>): Promise<Reply>;
}

/**
 * The callee may be stuck (a lock, a provider): the caller's deadline holds all the same, and the callee's signal aborts
 * with it, as it does over HTTP, so that work for which nobody waits can stop.
 */
function withDeadline(timers: Timers, server: ServiceServer, request: Request, signal: AbortSignal): Promise<Reply> {
  const deadlineMs = millisecondsIn(request.headers[headerNames.deadlineMs]) ?? 0;
  if (deadlineMs === 0) return server.handle(request, signal);
  return new Promise((resolve, reject) => {
    const work = new AbortController();
    const follow = () => work.abort(signal.reason);
    if (signal.aborted) follow();
    else signal.addEventListener('abort', follow);
    const cancel = timers.after(deadlineMs, () => {
      const late = contractProblems.timeout({
        detail: `${request.service}.${request.operation} took over ${deadlineMs} ms`,
      });
      signal.removeEventListener('abort', follow);
      work.abort(late);
      reject(late);
    });
    const end = () => {
      cancel();
      signal.removeEventListener('abort', follow);
    };
    server.handle(request, work.signal).then(
      (reply) => {
        end();
        resolve(reply);
      },
      (error) => {
        end();
        reject(error);
      },
    );
  });
}
