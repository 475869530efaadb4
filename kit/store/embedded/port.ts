import { createServer } from 'node:net';
import { EmbeddedPostgresError, systemCode } from './errors.ts';

export const loopback = '127.0.0.1';

/** Whether nobody listens on the port now. */
export async function isPortFree(port: number): Promise<boolean> {
  try {
    await bindOnce(port);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EADDRINUSE' || systemCode(error) === 'EACCES') return false;
    throw error;
  }
}

/**
 * Below the range from which systems take ports for outgoing connections (32768 on Linux, 49152 elsewhere): a port from
 * that range can be gone a moment after it was found free.
 */
const firstPort = 20_000;
const portCount = 12_000;
const triesMax = 200;
/** Processes that look at the same time begin at different places, and no process finds the same port twice. */
let next = (process.pid * 7_919) % portCount;

/** A port that nobody listens on now. Someone may take it before the caller does, so try again then. */
export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = firstPort + next;
    next = (next + 1) % portCount;
    if (await isPortFree(port)) return port;
  }
  return bindOnce(0);
}

export function portInUse(port: number): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'port-in-use',
    `Port ${port} for the database server is in use: stop the program that listens there, or choose another port.`,
  );
}

function bindOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host: loopback, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
  });
}
