let open = $state(false);

/** The cart at the side of the page. */
export const drawer = {
  get open(): boolean {
    return open;
  },
  set open(now: boolean) {
    open = now;
  },
  show(): void {
    open = true;
  },
};
