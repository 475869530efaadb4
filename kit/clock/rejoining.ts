import { createHybridClock, createTextClock, type HybridClockOptions, type TextClock } from './hybrid.ts';
import { formatTimestamp, parseTimestamp } from './timestamp.ts';

export interface RejoiningClockOptions extends Omit<HybridClockOptions, 'start'> {
  /**
   * A lead of what we have stamped over our wall clock that is waited out. Smaller keeps peers waiting for less long,
   * larger keeps stamps in order over larger corrections of the time. Default 10,000 ms.
   */
  readonly leadMsMax?: number;
}

/**
 * The clock of a process that talks to others. Where a machine's time ran ahead by an hour and was put right, a hybrid clock
 * stays where it was, and for an hour all peers refuse whatever the process says, which is in perfect health. So a clock
 * that is far ahead of its own wall clock begins anew, as it would with a restart of the process, as soon as a peer's stamp
 * shows that the wall clock is the one to believe. Until then it may as well be the wall clock that is wrong. (CockroachDB
 * ends a process whose clock others do not agree with; nothing is gained by losing what it has under way.)
 */
export function createRejoiningClock(options: RejoiningClockOptions): TextClock {
  const { clock, skewMsMax = 500, leadMsMax = 10_000, onAlarm } = options;
  let hybrid = createHybridClock(options);
  let text = createTextClock(hybrid);

  function compare(peerMs: number): void {
    const nowMs = clock.now();
    const leadMs = hybrid.latest.wallMs - nowMs;
    const peersAgree = peerMs >= nowMs - leadMsMax && peerMs <= nowMs + skewMsMax;
    if (leadMs <= leadMsMax || !peersAgree) return;
    hybrid = createHybridClock(options);
    text = createTextClock(hybrid);
    onAlarm?.({ kind: 'rejoined', leadMs });
  }

  return {
    tick: (cause) => text.tick(cause),
    receive(remote) {
      const stamp = parseTimestamp(remote);
      compare(stamp.wallMs);
      return formatTimestamp(hybrid.receive(stamp));
    },
  };
}
