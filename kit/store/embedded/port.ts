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

/** A port that nobody listens on now. Someone may take it before the caller does, so try again then. */
export function findFreePort(): Promise<number> {
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
