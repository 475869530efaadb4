import { createLoop, type Loop, type Turn } from '#kit/messaging';
import type { Database, World } from '#kit/runtime';
import { type Mail, type Mailer, MailRefused } from './mailer.ts';
import { leaseDue, markFailed, markSent, type NotificationRow, tryLater } from './store.ts';
import type { Letter } from './templates.ts';
import { lineText } from './text.ts';

export interface SenderOptions {
  readonly database: Database;
  readonly world: World;
  readonly mailer: Mailer;
  /** Writes a letter about a reset, with its token; undefined when the reset is of no use any more. */
  readonly writeReset: (resetId: string, signal: AbortSignal) => Promise<Letter | undefined>;
  /** Right-hand side of Message-IDs: a name that is ours, so that they are unique in the world. */
  readonly messageIdDomain: string;
  /** Mails under way at once. Default 8. */
  readonly batchMax?: number;
  /** One attempt takes no longer. Default 30,000 ms. */
  readonly sendTimeoutMs?: number;
  /** Wait before the second attempt; doubles with each, with full jitter. Default 5,000 ms. */
  readonly backoffMsMin?: number;
  /** Default 900,000 ms. */
  readonly backoffMsMax?: number;
  /** A mail that could not be sent for this long has failed. Default 24 hours, as mail servers do it. */
  readonly giveUpAfterMs?: number;
  /** Default 1,000 ms. */
  readonly pollMs?: number;
}

/**
 * Sends what is pending. Any number of instances; a mail is leased by one at a time. SMTP has no transaction: if we
 * crash after the server took a mail and before that is recorded, it is sent again, with the same Message-ID. The
 * window is one statement long and can't be closed; it is the only place where anything happens twice.
 */
export function createSender(options: SenderOptions): Loop {
  const { database, world, mailer, writeReset, messageIdDomain, batchMax = 8, sendTimeoutMs = 30_000 } = options;
  const { backoffMsMin = 5_000, backoffMsMax = 900_000, giveUpAfterMs = 24 * 3_600_000, pollMs = 1_000 } = options;
  const { clock, timers, random, log } = world;
  const owner = world.ids.next('snd');
  // Long enough that a lease never ends while its mail is under way.
  const leaseMs = 2 * sendTimeoutMs;

  async function turn(): Promise<Turn> {
    const due = await leaseDue(database, owner, leaseMs, batchMax);
    await Promise.all(due.map(sendOne));
    return due.length > 0 ? 'again' : 'idle';
  }

  async function sendOne(row: NotificationRow): Promise<void> {
    try {
      await sendInTime(row);
    } catch (error) {
      await sendFailed(row, error);
      return;
    }
    await markSent(database, row.id);
  }

  async function sendInTime(row: NotificationRow): Promise<void> {
    const abort = new AbortController();
    const cancel = timers.after(sendTimeoutMs, () => abort.abort(new Error(`not sent within ${sendTimeoutMs} ms`)));
    try {
      const letter = row.resetId === null ? row : await writeReset(row.resetId, abort.signal);
      if (!letter) throw new MailRefused('the password reset was used, replaced or has expired');
      await mailer.send(mailOf(row, letter), abort.signal);
    } finally {
      cancel();
    }
  }

  async function sendFailed(row: NotificationRow, error: unknown): Promise<void> {
    const cause = lineText(error instanceof Error ? error.message : String(error));
    if (error instanceof MailRefused || row.ageMs > giveUpAfterMs) {
      log.error('a notification could not be sent', { notification: row.id, attempts: row.attempts, cause });
      await markFailed(database, row.id, owner, cause);
      return;
    }
    const ceilingMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(row.attempts - 1, 20));
    log.debug('a notification will be tried again', { notification: row.id, attempts: row.attempts, cause });
    await tryLater(database, row.id, owner, cause, (0.5 + random.next() / 2) * ceilingMs);
  }

  function mailOf({ id, recipient, createdAt }: NotificationRow, { subject, text, html }: Letter): Mail {
    return { messageId: `${id}@${messageIdDomain}`, recipient, subject, text, html, date: createdAt };
  }

  return createLoop({ name: 'mail sender', clock, timers, random, log, turn, pollMs });
}
