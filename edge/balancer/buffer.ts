import type { IncomingMessage } from 'node:http';

/** A body of a stated length, whole. Rejects when the client goes away before. */
export async function bufferBody(request: IncomingMessage, sizeBytes: number): Promise<Buffer> {
  const body = Buffer.allocUnsafe(sizeBytes);
  let at = 0;
  for await (const chunk of request) at += (chunk as Buffer).copy(body, at);
  if (at !== sizeBytes) throw new Error(`a body of ${sizeBytes} bytes ended after ${at}`);
  return body;
}
