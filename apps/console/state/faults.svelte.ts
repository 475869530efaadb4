import type { ActiveFault, Faults } from '#contracts/operators';
import { api } from '../console.ts';

let faults = $state.raw<Faults | undefined>();
let busy = $state(false);
let error = $state.raw<unknown>();
/** How often something was set: what was looked up before says nothing about after. */
let changes = 0;

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
    const before = changes;
    try {
      const { body } = await api.operators.faults();
      if (before !== changes || busy) return;
      faults = body;
      error = undefined;
    } catch (failure) {
      if (before === changes) error = failure;
    }
  },
  async set(wanted: readonly ActiveFault[]): Promise<void> {
    busy = true;
    changes += 1;
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
