import { request } from 'undici';
import { type Announced, announced, isAlive } from './announce.ts';

/**
 * The edges of a data directory. They face strangers and have no certificate of the mesh, so they are not found there: they show
 * their numbers on this machine alone, and say where in a file.
 */
export const edgesOf = (dataDir: string): readonly Announced[] =>
  announced(dataDir).filter((each) => each.services.includes('edge') && isAlive(each));

/** What they have measured; one that does not answer in time is left out. */
export async function readingsOfEdges(dataDir: string, timeoutMs: number): Promise<readonly unknown[]> {
  const asked = await Promise.allSettled(edgesOf(dataDir).map((edge) => readingsOf(edge, timeoutMs)));
  return asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}

async function readingsOf({ metrics }: Announced, timeoutMs: number): Promise<unknown> {
  const timeouts = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
  const { statusCode, body } = await request(new URL('/readings', metrics), timeouts);
  if (statusCode === 200) return body.json();
  await body.dump();
  throw new Error(`/readings answers ${statusCode}`);
}
