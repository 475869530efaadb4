import type { PaymentProvider } from '#services/payments/provider';
import type { Incarnation } from './node.ts';
import { exponential, type Simulation } from './simulation.ts';
import { idsIn } from './trace.ts';

/** Answers that only a fault of the provider gives. */
const faultCodes = new Set(['connection_lost', 'provider_failed', 'timeout', 'key_in_use']);

/** Mean time to the provider and back, each way. */
const delayMs = 3;

/**
 * The provider's adapter as one process has it: each call takes its way there and back, and a process that has died
 * meanwhile never hears the answer. The provider itself lives on: its books are what the checks believe.
 */
export function createSimulatedProvider(
  simulation: Simulation,
  client: Incarnation,
  provider: PaymentProvider,
): PaymentProvider {
  const { world, trace } = simulation;
  const delays = simulation.stream(`provider/${client.node.name}/${client.number}`);
  const from = client.node.name;

  function call<Request, Result>(
    name: string,
    method: (request: Request) => Promise<Result>,
  ): (request: Request) => Promise<Result> {
    return (request) =>
      new Promise((resolve, reject) => {
        const sentAtMs = world.nowMs;
        const about = trace.isKept ? idsIn(JSON.stringify(request)) : undefined;
        world.timers.after(exponential(delays, delayMs), () => {
          trace.event({ atMs: world.nowMs, kind: 'provider', node: 'provider', from, sentAtMs, about, text: name });
          const back = (end: () => void) => {
            const answeredAtMs = world.nowMs;
            world.timers.after(
              exponential(delays, delayMs),
              client.guard(() => {
                const event = {
                  kind: 'provider',
                  node: from,
                  from: 'provider',
                  sentAtMs: answeredAtMs,
                  about,
                } as const;
                trace.event({ ...event, atMs: world.nowMs, text: `${name} answered` });
                end();
              }),
            );
          };
          method(request).then(
            (result) => back(() => resolve(result)),
            (error) => {
              const { code } = error as { code?: string };
              if (simulation.faultsOn && faultCodes.has(code ?? '')) simulation.faults.add(`provider: ${code}`);
              back(() => reject(error));
            },
          );
        });
      });
  }

  return {
    name: provider.name,
    authorize: call('authorize', provider.authorize),
    capture: call('capture', provider.capture),
    void: call('void', provider.void),
    refund: call('refund', provider.refund),
    find: call('find', provider.find),
    verifyWebhook: provider.verifyWebhook,
    async close() {},
  };
}
