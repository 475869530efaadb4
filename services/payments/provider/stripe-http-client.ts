import { AsyncLocalStorage } from 'node:async_hooks';
import type Stripe from 'stripe';
import { Agent, type Dispatcher, request } from 'undici';

/** What one SDK call carries that the SDK itself has no place for. */
export interface CallScope {
  readonly signal: AbortSignal;
  /** Set once the request may have left: from then on a failure leaves the outcome unknown. */
  sent: boolean;
}

export interface StripeHttpClientOptions {
  /** Open connections to the provider; calls beyond it wait in line. Default 64. */
  readonly connectionsMax?: number;
  /** Wait for a connection. Default 2,000 ms. */
  readonly connectTimeoutMs?: number;
}

export interface StripeHttpClient extends Stripe.HttpClient {
  /** Runs one SDK call; `scope` holds for the requests it makes. */
  within<T>(scope: CallScope, call: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Errors that come before a connection stands, so nothing was sent. */
const beforeSending = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/**
 * Carries the SDK's requests over undici, for three reasons. The SDK's own client (23.1.0) knows no AbortSignal; its
 * time-out counts silence on the socket, so a reply that trickles never times out; and the SDK repeats a request after a
 * closed connection once even with maxNetworkRetries 0, behind the back of our retry budgets. That repeat goes by the
 * error's `code`, so the error thrown here has none.
 */
export function createStripeHttpClient(options: StripeHttpClientOptions = {}): StripeHttpClient {
  const { connectionsMax = 64, connectTimeoutMs = 2_000 } = options;
  const agent = new Agent({ connections: connectionsMax, pipelining: 1, connect: { timeout: connectTimeoutMs } });
  const scopes = new AsyncLocalStorage<CallScope>();

  return {
    within: (scope, call) => scopes.run(scope, call),
    getClientName: () => 'undici',
    async makeRequest(host, port, path, method, headers, body, protocol) {
      const scope = scopes.getStore();
      if (!scope) throw new Error('stripe: a call was made outside of `within`');
      if (scope.signal.aborted) throw new TransportError(scope.signal.reason);
      const origin = `${protocol}://${host}${port ? `:${port}` : ''}`;
      try {
        scope.sent = true;
        const response = await request(origin + path, {
          dispatcher: agent,
          method: method as Dispatcher.HttpMethod,
          headers: textHeaders(headers),
          body: method === 'GET' ? null : body,
          signal: scope.signal,
        });
        return readResponse(response);
      } catch (error) {
        scope.sent = !beforeSending.has(codeOf(error));
        throw new TransportError(error);
      }
    },
    async close() {
      await agent.destroy();
    },
  } satisfies StripeHttpClient;
}

/** Without a `code` of its own: see above. */
export class TransportError extends Error {
  constructor(cause: unknown) {
    super('the request to the provider failed', { cause });
    this.name = 'TransportError';
  }
}

function readResponse(response: Dispatcher.ResponseData) {
  return {
    getStatusCode: () => response.statusCode,
    getHeaders: () => response.headers as Record<string, string>,
    getRawResponse: () => response,
    toStream: () => response.body,
    async toJSON() {
      const text = await response.body.text().catch((error) => {
        throw new TransportError(error);
      });
      return JSON.parse(text);
    },
    dispose: () => void response.body.dump().catch(() => {}),
  };
}

function textHeaders(headers: Record<string, string | number | readonly string[]>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    // undici counts the body itself.
    if (value !== undefined && name.toLowerCase() !== 'content-length') result[name] = String(value);
  }
  return result;
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return code ?? cause?.code ?? '';
}
