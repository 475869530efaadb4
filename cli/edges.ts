import { request } from 'undici';
import { type Announced, announced, isAlive } from './announce.ts';
import type { Mesh } from './mesh.ts';

/**
 * The edges of a data directory. They face strangers and have no certificate of the mesh, so they are not found there: they show
 * their numbers and spans on this machine alone, and say where in a file.
 */
export const edgesOf = (dataDir: string): readonly Announced[] =>
  announced(dataDir).filter((each) => each.services.includes('edge') && isAlive(each));

/** A page of each, `/readings` or `/traces/…`; one that does not answer in time is left out. */
export async function readEdges(dataDir: string, path: string, timeoutMs: number): Promise<readonly unknown[]> {
  const asked = await Promise.allSettled(edgesOf(dataDir).map((edge) => pageOf(edge, path, timeoutMs)));
  return asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}

async function pageOf({ metrics }: Announced, path: string, timeoutMs: number): Promise<unknown> {
  const timeouts = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
  const { statusCode, body } = await request(new URL(path, metrics), timeouts);
  if (statusCode === 200) return body.json();
  await body.dump();
  throw new Error(`${path} answers ${statusCode}`);
}

/** A page of every process but this one: of those in the mesh by the mesh, of the edges as above. */
export const readElsewhere =
  (dataDir: string, mesh: Mesh | undefined) =>
  async (path: string, timeoutMs: number): Promise<readonly unknown[]> => {
    const asked = [mesh?.client.readAll(path, timeoutMs) ?? [], readEdges(dataDir, path, timeoutMs)];
    return (await Promise.all(asked)).flat();
  };
