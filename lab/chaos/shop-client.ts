import { Pool } from 'undici';
import { headerNames } from '#kit/contract';
import type { Clock } from '#kit/runtime';

/** One shopper's way into the shop: plain HTTP, as any client would. */
export interface ShopClient {
  call(request: ShopRequest): Promise<ShopReply>;
  close(): Promise<void>;
}

export interface ShopRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly key?: string;
  readonly token?: string;
  readonly body?: unknown;
}

/** `lost`: no answer came, so nothing is known of what happened. */
export type ShopReply =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body: unknown;
      readonly hlc?: string;
      readonly tookMs: number;
    }
  | { readonly kind: 'lost'; readonly why: string; readonly tookMs: number };

/** Longer than the shop's own deadline of 10 s. */
const timeoutMs = 12_000;

export function createShopClient(origin: string, clock: Clock): ShopClient {
  const pool = new Pool(origin, { connections: 1, pipelining: 1 });
  return {
    async call({ method, path, key, token, body }) {
      const startMs = clock.monotonicMs();
      const tookMs = () => clock.monotonicMs() - startMs;
      try {
        const reply = await pool.request({
          method,
          path,
          headers: {
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...(key === undefined ? {} : { 'idempotency-key': key }),
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          headersTimeout: timeoutMs,
          bodyTimeout: timeoutMs,
        });
        const stamp = reply.headers[headerNames.logicalTime];
        return {
          kind: 'answer',
          status: reply.statusCode,
          body: await reply.body.json(),
          ...(typeof stamp === 'string' ? { hlc: stamp } : {}),
          tookMs: tookMs(),
        };
      } catch (error) {
        return { kind: 'lost', why: (error as Error).message, tookMs: tookMs() };
      }
    },
    close: () => pool.destroy(),
  };
}
