import { createHash } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseDataDir } from '#kit/store/embedded';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));

/** `.holdfast` in the checkout, or below /var/lib where the database server can't get to that; `say` tells why. */
export function pickDataDir(given: string | undefined, say: (why: string) => void, name = ''): string {
  if (given !== undefined) return resolve(given);
  const hash = createHash('sha256').update(checkout).digest('hex').slice(0, 12);
  const { dataDir, why } = chooseDataDir(join(checkout, '.holdfast', name), join('/var/lib/holdfast', hash, name));
  if (why) say(why);
  return dataDir;
}
