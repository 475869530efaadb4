import { createPostgresRegistry } from '#kit/mesh';
import type { World } from '#kit/runtime';
import { createDatabase } from '#kit/store';

/** Longer than any certificate of the mesh lives. */
const keptMs = 2 * 3_600_000;

/** Tells every process of the mesh that a certificate counts no more. */
export async function revokeCertificate(logUrl: string, serial: string, world: World): Promise<void> {
  const database = createDatabase({ url: logUrl, name: 'log', ...world, connectionsMax: 1 });
  try {
    await createPostgresRegistry({ database }).revoke(serial, keptMs);
  } finally {
    await database.close();
  }
}
