import { isConnectionLoss, isTransient, sqlState } from '#kit/store';

/** An event is larger than the log takes. Publish a reference to the data instead. */
export class EventTooLarge extends Error {
  readonly category = 'input';
  readonly retry = 'never';

  constructor(type: string, key: string, sizeBytes: number, sizeBytesMax: number) {
    super(`${type} of ${key} has ${sizeBytes} bytes, at most ${sizeBytesMax} are taken: publish a reference instead`);
    this.name = 'EventTooLarge';
  }
}

/** A position was moved by someone else: the partition has a new owner, or the read model is being rebuilt. */
export class StalePosition extends Error {
  readonly category = 'conflict';
  readonly retry = 'never';

  constructor(group: string) {
    super(`${group}: this member no longer holds the partition it wrote for; nothing was written`);
    this.name = 'StalePosition';
  }
}

/** Events that a reader has not seen are no longer in the log, or its position lies beyond the log's end. */
export class PositionOutOfLog extends Error {
  readonly category = 'internal';
  readonly retry = 'never';

  constructor(group: string, topic: string, partition: number, position: number, first: number, next: number) {
    super(
      `${group}: the position ${position} in ${topic}/${partition} is outside of the log (${first} to ${next}): ` +
        (position < first
          ? 'retention removed events before they were read; rebuild, or accept the loss with onGap: skip'
          : 'the log was replaced by another one; restore it, or rebuild this group'),
    );
    this.name = 'PositionOutOfLog';
  }
}

/**
 * A fault of the world (a database or service is away, locks or disk are short) rather than of the event: waited out,
 * never counted against the event.
 */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { category } = error as { category?: unknown };
  if (category === 'unavailable' || category === 'timeout') return true;
  if (isConnectionLoss(error) || isTransient(error)) return true;
  const state = sqlState(error);
  // Lock not available; insufficient resources.
  return state === '55P03' || state?.startsWith('53') === true;
}

/** Repeating can't help: goes to the dead letters at once. */
export function isHopeless(error: unknown): boolean {
  return (error as { retry?: unknown } | null)?.retry === 'never';
}
