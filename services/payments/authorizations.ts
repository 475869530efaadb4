import type { Cancel, Logger, Timers } from '#kit/runtime';
import { authorized, type PaymentRecord } from './model.ts';

export interface AuthorizationsOptions {
  readonly timers: Timers;
  readonly log: Logger;
  /** Commits one. */
  readonly write: (orderId: string, providerRef: string) => Promise<unknown>;
  /** How long the capture is waited for. Longer saves commits, shorter shows sooner what the provider has. Default 500 ms. */
  readonly delayMs?: number;
  /** Noted at once; one more is written without delay. Default 5,000. */
  readonly notedMax?: number;
}

/**
 * Authorizations that the provider has given and the books do not show yet: a write-behind. The capture follows at once as
 * a rule and overwrites what would be written here, so a commit in between would be for nothing, and every shopper would
 * wait for it. Nothing is lost with the process: the request for the amount is committed before the provider is asked, and
 * whoever repeats it under its key is told of the same authorization.
 */
export interface Authorizations {
  note(orderId: string, providerRef: string): void;
  /** What the provider calls the authorization; undefined where the books may be asked. */
  refOf(orderId: string): string | undefined;
  /** The payment as the books will show it in a moment. */
  with(payment: PaymentRecord): PaymentRecord;
  /** The books say more than this by now. */
  forget(orderId: string): void;
  /** Resolves when the books show it. */
  settle(orderId: string): Promise<void>;
  drain(): Promise<void>;
}

interface Note {
  readonly providerRef: string;
  readonly cancel: Cancel;
  writing?: Promise<void>;
}

export function createAuthorizations(options: AuthorizationsOptions): Authorizations {
  const { timers, log, write, delayMs = 500, notedMax = 5_000 } = options;
  const notes = new Map<string, Note>();

  async function settle(orderId: string): Promise<void> {
    const note = notes.get(orderId);
    if (!note) return;
    note.cancel();
    note.writing ??= writeNow(orderId, note);
    await note.writing;
  }

  async function writeNow(orderId: string, note: Note): Promise<void> {
    try {
      await write(orderId, note.providerRef);
    } finally {
      if (notes.get(orderId) === note) notes.delete(orderId);
    }
  }

  async function settleBehind(orderId: string): Promise<void> {
    try {
      await settle(orderId);
    } catch (error) {
      log.warn('an authorization is not in the books; whoever needs it asks the provider', { orderId, error });
    }
  }

  return {
    note(orderId, providerRef) {
      if (notes.has(orderId)) return;
      const isFull = notes.size >= notedMax;
      const cancel = timers.after(isFull ? 0 : delayMs, () => void settleBehind(orderId));
      notes.set(orderId, { providerRef, cancel });
    },
    refOf: (orderId) => notes.get(orderId)?.providerRef,
    with(payment) {
      const note = notes.get(payment.orderId);
      return note ? authorized(payment, note.providerRef) : payment;
    },
    forget(orderId) {
      notes.get(orderId)?.cancel();
      notes.delete(orderId);
    },
    settle,
    drain: async () => void (await Promise.all([...notes.keys()].map(settleBehind))),
  };
}
