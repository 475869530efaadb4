/** One window at a time: two would give two entries the same number. */

let isOther = $state(false);

export const here = {
  /** The till is open in another window of this browser. */
  get isElsewhere(): boolean {
    return isOther;
  },
};

/** Resolves when this window is the only one, at once or when the other has been closed. */
export function becomeTheOne(): Promise<void> {
  return new Promise((resolve) => {
    const take = (): Promise<never> => {
      isOther = false;
      resolve();
      // Held until the window is closed.
      return new Promise(() => {});
    };
    void navigator.locks.request('holdfast-till', { ifAvailable: true }, (lock) => {
      if (lock) return take();
      isOther = true;
      void navigator.locks.request('holdfast-till', take);
      return undefined;
    });
  });
}
