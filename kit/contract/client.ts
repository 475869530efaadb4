import type { Clock, Reply, Request, Transport } from '#kit/runtime';
import { type CallContext, deadlineMarginMs, forwardHeaders, headerNames } from './context.ts';
import { blameElsewhere } from './fault.ts';
import type { OperationDescription, Output, ServiceContract } from './operation.ts';
import { contractProblems, problemFromReply } from './problem.ts';
import type { LogicalClockPort } from './server.ts';

export interface CallInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  readonly body?: unknown;
  /** The business key of this call: carried as Idempotency-Key. */
  readonly key?: string;
  /** Upper bound for this call; the context's deadline may be shorter. Default: the operation's. */
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

type BodyInput<O extends OperationDescription> = O['stream'] extends 'request'
  ? { readonly body: AsyncIterable<unknown> }
  : O['body'] extends object
    ? { readonly body: unknown extends O['body'] ? unknown : import('typebox').Static<O['body']> }
    : unknown;
type ParamsInput<O extends OperationDescription> = O['params'] extends object
  ? { readonly params: import('typebox').Static<O['params']> }
  : unknown;

/** One function an operation: resolves with the contract's reply, rejects with the `Problem` that was answered. */
export type Client<C extends ServiceContract> = {
  readonly [Name in keyof C['operations']]: (
    input: CallInput & BodyInput<C['operations'][Name]> & ParamsInput<C['operations'][Name]>,
    context: CallContext,
  ) => Promise<Output<C['operations'][Name]>>;
};

export interface ClientOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly logicalClock?: LogicalClockPort;
}

export function createClient<C extends ServiceContract>(contract: C, options: ClientOptions): Client<C> {
  const { transport, clock, logicalClock } = options;
  const client: Record<string, unknown> = {};

  for (const [name, operation] of Object.entries<OperationDescription>(contract.operations)) {
    client[name] = async (input: CallInput, context: CallContext): Promise<Reply> => {
      const leftMs = context.deadlineAtMs - clock.monotonicMs() - deadlineMarginMs;
      const remainingMs = Math.min(leftMs, input.timeoutMs ?? operation.deadlineMs ?? 2000);
      if (remainingMs <= 0)
        throw contractProblems.timeout({ detail: `no time left to call ${contract.service}.${name}` });
      const headers = forwardHeaders(context, remainingMs, input.key);
      if (logicalClock) headers[headerNames.logicalTime] = logicalClock.tick();
      if (input.headers) Object.assign(headers, input.headers);
      const request: Request = {
        service: contract.service,
        operation: name,
        params: input.params ?? {},
        query: queryText(input.query),
        headers,
        body: input.body,
      };
      let reply: Reply;
      try {
        reply = await transport.send(request, context.signal);
      } catch (error) {
        throw blameElsewhere(error);
      }
      const remoteTime = reply.headers[headerNames.logicalTime];
      if (remoteTime && logicalClock) logicalClock.receive(remoteTime);
      if (reply.status >= 400) throw problemFromReply(reply.status, reply.body);
      return reply;
    };
  }
  return client as Client<C>;
}

function queryText(query: CallInput['query']): Record<string, string | readonly string[]> {
  const text: Record<string, string | readonly string[]> = {};
  for (const name in query) {
    const value = query[name];
    if (value === undefined) continue;
    text[name] = Array.isArray(value) ? (value as readonly string[]) : String(value);
  }
  return text;
}
