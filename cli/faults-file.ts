import { rmSync } from 'node:fs';
import { join } from 'node:path';

/** Where it stands what the fault laboratory has switched on (`faults.ts`). Apart, as every start looks there. */
export const faultsFile = (dataDir: string): string => join(dataDir, 'faults.json');

/** Before the processes start. */
export function forgetFaults(dataDir: string): void {
  rmSync(faultsFile(dataDir), { force: true });
}
