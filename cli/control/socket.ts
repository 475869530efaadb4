import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the address of a unix socket can hold on Linux, less its end; macOS has 4 less. */
const pathSizeBytesMax = 103;

/** Where the command that runs on a data directory listens: in there, or below /tmp where that path would be too long. */
export function socketPath(dataDir: string): string {
  const path = join(dataDir, 'control.sock');
  if (Buffer.byteLength(path) <= pathSizeBytesMax) return path;
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  return join(tmpdir(), `holdfast-${hash}.sock`);
}
