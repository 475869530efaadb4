import type { ActiveFault, Faults } from '#contracts/operators';
import { api } from '../console.ts';

let faults = $state.raw<Faults | undefined>();
let busy = $state(false);
let error = $state.raw<unknown>();

/** The laboratory: what is on, for the banner of every page and for its own. */
export const laboratory = {
  /** Undefined until it is known. */
  get isOpen(): boolean | undefined {
    return faults?.open;
  },
  get items(): readonly ActiveFault[] {
    return faults?.items ?? [];
  },
  /** Services that can be broken, by name. */
  get targets(): Faults['targets'] {
    return faults?.targets ?? [];
  },
  get busy(): boolean {
    return busy;
  },
  get error(): unknown {
    return error;
  },
  async look(): Promise<void> {
    try {
      faults = (await api.operators.faults()).body;
      error = undefined;
    } catch (failure) {
      error = failure;
    }
  },
  async set(wanted: readonly ActiveFault[]): Promise<void> {
    busy = true;
    try {
      faults = (await api.operators.setFaults({ body: { items: [...wanted] } })).body;
      error = undefined;
    } catch (failure) {
      error = failure;
    } finally {
      busy = false;
    }
  },
};

export const isSame = (a: ActiveFault, b: ActiveFault): boolean => a.kind === b.kind && a.service === b.service;
