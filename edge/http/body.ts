import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Headers } from './headers.ts';

/** Repeating these changes nothing (RFC 9110 §9.2.2), or their key sees to it. */
export function isRepeatable(method: string, headers: Headers): boolean {
  return repeatable.has(method) || headers['idempotency-key'] !== undefined;
}

const repeatable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']);

/** A body of a stated length, whole. Rejects when the client goes away before. */
export async function bufferBody(request: IncomingMessage | Http2ServerRequest, sizeBytes: number): Promise<Buffer> {
  const body = Buffer.allocUnsafe(sizeBytes);
  let at = 0;
  for await (const chunk of request) at += (chunk as Buffer).copy(body, at);
  if (at !== sizeBytes) throw new Error(`a body of ${sizeBytes} bytes ended after ${at}`);
  return body;
}

/** How many bytes of bodies are held, within a bound. */
export interface HeldBodies {
  /** Whether there is room; takes it. */
  take(sizeBytes: number): boolean;
  giveBack(sizeBytes: number): void;
  readonly sizeBytes: number;
}

export function createHeldBodies({
  eachMax,
  allMax,
}: {
  readonly eachMax: number;
  readonly allMax: number;
}): HeldBodies {
  let held = 0;
  return {
    take(sizeBytes) {
      if (!(sizeBytes > 0) || sizeBytes > eachMax || held + sizeBytes > allMax) return false;
      held += sizeBytes;
      return true;
    },
    giveBack(sizeBytes) {
      held -= sizeBytes;
    },
    get sizeBytes() {
      return held;
    },
  };
}
