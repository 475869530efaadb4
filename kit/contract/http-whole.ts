import type { Dispatcher } from 'undici';

/** A reply that has arrived whole. */
export interface WholeReply {
  readonly status: number;
  /** Lower-case names; of a name that came more than once, joined. */
  readonly headers: Record<string, string>;
  readonly text: string;
}

/**
 * Sends a request and resolves with all of its reply, by undici's own handlers: its `request` makes a stream of each reply, which
 * costs a third of the whole call where the body is a line of JSON. Rejects as `request` does, and at once when `signal` is
 * aborted, also while it still waits for a connection.
 */
export function requestWhole(
  pool: Dispatcher,
  options: Dispatcher.DispatchOptions,
  signal: AbortSignal,
): Promise<WholeReply> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined;
    let status = 0;
    let headers: Record<string, string> = {};
    let chunks: Buffer[] = [];

    function abort(): void {
      reject(signal.reason);
      controller?.abort(signal.reason);
    }
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });

    pool.dispatch(options, {
      // Once more where the connection was lost before anything was sent.
      onRequestStart(now) {
        controller = now;
        if (signal.aborted) now.abort(signal.reason);
      },
      // Also told of 1xx, which the real one follows.
      onResponseStart(_controller, statusCode, raw) {
        status = statusCode;
        headers = plainHeaders(raw);
        chunks = [];
      },
      onResponseData(_controller, chunk) {
        chunks.push(chunk);
      },
      onResponseEnd() {
        signal.removeEventListener('abort', abort);
        const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
        resolve({ status, headers, text: bytes.toString() });
      },
      onResponseError(_controller, error) {
        signal.removeEventListener('abort', abort);
        reject(error);
      },
    });
  });
}

export function plainHeaders(raw: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name in raw) {
    const value = raw[name];
    if (value !== undefined) headers[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return headers;
}
