/** A peer's clock is ahead of ours by more than the bound: one of the two is wrong, and following it would spread that. */
export class ClockSkewError extends Error {
  override readonly name = 'ClockSkewError';
  readonly category = 'unavailable';
  /** The same timestamp can be accepted once our clock has come near it. */
  readonly retry: { readonly afterMs: number } | 'never';
  readonly aheadMs: number;
  readonly skewMsMax: number;

  constructor(aheadMs: number, skewMsMax: number) {
    super(
      `a peer's timestamp is ${aheadMs} ms ahead of this machine's clock (bound: ${skewMsMax} ms): ` +
        'check that both machines run a time daemon and agree with it',
    );
    this.aheadMs = aheadMs;
    this.skewMsMax = skewMsMax;
    this.retry = aheadMs > skewMsMax ? { afterMs: Math.ceil(aheadMs - skewMsMax) } : 'never';
  }
}

/** Text that should be a logical timestamp is none. */
export class ClockFormatError extends Error {
  override readonly name = 'ClockFormatError';
  readonly category = 'input';
  readonly retry = 'never';

  constructor(text: unknown, expected: string) {
    super(`${JSON.stringify(String(text).slice(0, 40))} is no ${expected}`);
  }
}
