import type { Clock } from '#kit/runtime';
import { measureCalls, type Telemetry } from '#kit/telemetry';
import { isProviderError, type PaymentProvider } from '#services/payments/provider';

/** Counts calls to the payment provider beside those between services. A refusal is an answer, and no failure. */
export function observeProvider(
  telemetry: Telemetry,
  name: string,
  provider: PaymentProvider,
  { clock }: { readonly clock: Clock },
): PaymentProvider {
  const measure = measureCalls(telemetry, 'payments');

  function observed<Asked, Answer>(operation: string, call: (request: Asked) => Promise<Answer>) {
    return async (request: Asked): Promise<Answer> => {
      const startMs = clock.monotonicMs();
      let outcome = '2xx';
      try {
        return await call(request);
      } catch (error) {
        outcome = !isProviderError(error) ? 'failed' : error.outcome === 'refused' ? '4xx' : 'unavailable';
        throw error;
      } finally {
        measure(name, operation, outcome, clock.monotonicMs() - startMs);
      }
    };
  }

  return {
    name: provider.name,
    authorize: observed('authorize', (request) => provider.authorize(request)),
    capture: observed('capture', (request) => provider.capture(request)),
    void: observed('void', (request) => provider.void(request)),
    refund: observed('refund', (request) => provider.refund(request)),
    find: observed('find', (request) => provider.find(request)),
    verifyWebhook: (body, signature) => provider.verifyWebhook(body, signature),
    close: () => provider.close(),
  };
}
