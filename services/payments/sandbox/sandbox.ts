import type { World } from '#kit/runtime';
import { declineOutcome } from './cards.ts';
import { type CallFaults, createFaults, type Faults } from './faults.ts';
import { createMemoryJournal, type Journal, type JournalHealth } from './journal.ts';
import { createLedger, type Ledger, sameCommand } from './ledger.ts';
import type { ApiError, Command, Intent, LedgerRecord, Refund } from './ledger-types.ts';
import { createWebhooks, type WebhookEndpoint, type Webhooks } from './webhooks.ts';
import { eventTypeOf } from './wire.ts';

/** What a caller of the API gets. `lost`: nothing; the connection breaks, and the effect may or may not have happened. */
export type CallReply =
  | {
      readonly kind: 'reply';
      readonly status: number;
      readonly intent?: Intent;
      readonly refund?: Refund;
      readonly error?: ApiError;
      /** True when the reply was stored by an earlier call with the same key. */
      readonly replayed: boolean;
    }
  | { readonly kind: 'lost' };

export interface SandboxOptions extends World {
  /** Default: memory only. */
  readonly journal?: Journal;
  readonly webhooks?: readonly WebhookEndpoint[];
  readonly webhookRetryDelayMs?: number;
  /**
   * At start, events of this last while are delivered again: which ones had arrived is not written down, and webhooks
   * may come twice anyway. Default 20 minutes, a little more than all retries of one event take.
   */
  readonly webhookReplayMs?: number;
  /** Intents kept; beyond it new ones are refused with 429. About 0.8 kB of memory each. Default 1,000,000. */
  readonly intentsMax?: number;
  /** How long an idempotency key is remembered. Default 24 h, as at Stripe. */
  readonly keyTtlMs?: number;
}

/** A payment provider of one's own: Stripe's behaviour for card payments, with books of its own and faults on demand. */
export interface Sandbox {
  /** Runs one call. Gives the reply at once when nothing has to be waited for (memory journal, no fault). */
  call(command: Command, key: string | undefined): CallReply | Promise<CallReply>;
  /** Reads from the books, after everything already promised is durable. Faults `on: 'read'` strike here. */
  read<T>(look: (ledger: Ledger) => T): Read<T> | Promise<Read<T>>;
  /** Search does not see intents younger than this: the clock, less a `search-lag` fault. */
  searchHorizonMs(): number;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly webhooks: Webhooks;
  readonly rebuilt: JournalHealth;
  close(): Promise<void>;
}

export type Read<T> = { readonly kind: 'value'; readonly value: T } | Exclude<CallReply, { kind: 'reply' }> | Failed;
/** A read that a fault answered with a 5xx. */
export interface Failed {
  readonly kind: 'failed';
  readonly status: number;
  readonly error: ApiError;
}

export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { clock, timers, random, ids, log, journal = createMemoryJournal() } = options;
  const { webhooks: endpoints = [], intentsMax = 1_000_000, keyTtlMs = 24 * 3_600_000 } = options;
  const ledger = createLedger({ keyTtlMs });
  const replayFromMs = clock.now() - (options.webhookReplayMs ?? 20 * 60_000);
  const undelivered: LedgerRecord[] = [];
  const rebuilt = await journal.rebuild((record) => {
    ledger.apply(record);
    if (record.eventId !== undefined && record.atMs >= replayFromMs) undelivered.push(record);
  });
  if (rebuilt.tornBytes > 0) log.warn('sandbox journal: an unfinished last write was cut off', { ...rebuilt });
  const faults = createFaults(random);
  const webhooks = createWebhooks({
    clock,
    timers,
    log,
    endpoints,
    faults,
    ...(options.webhookRetryDelayMs !== undefined && { retryDelayMs: options.webhookRetryDelayMs }),
  });
  for (const record of undelivered) webhooks.publish(record);
  undelivered.length = 0;
  /** Set when the journal failed: memory is ahead of the disk, so nothing that it says may be promised any more. */
  let broken: ApiError | undefined;
  /** Keys whose first call has not been answered yet. */
  const inFlight = new Set<string>();
  const newId = (prefix: 'pi' | 're') => ids.next(prefix);

  function call(command: Command, key: string | undefined): CallReply | Promise<CallReply> {
    if (broken) return refuse(500, broken);
    if (key !== undefined && inFlight.has(key)) return refuse(409, keyInUse(key));
    const struck = faults.draw(command.operation);
    const reply = struck ? callUnderFaults(command, key, struck) : execute(command, key, undefined);
    if (key === undefined || !(reply instanceof Promise)) return reply;
    inFlight.add(key);
    return reply.finally(() => inFlight.delete(key));
  }

  /** Looks the key up, decides, writes down, answers. */
  function execute(command: Command, key: string | undefined, struck: CallFaults | undefined) {
    const nowMs = clock.now();
    if (key !== undefined) {
      const repeated = repeatOf(command, key, nowMs);
      if (repeated) return repeated;
    }
    if (command.operation === 'create' && ledger.intentCount >= intentsMax) return refuse(429, sandboxFull(intentsMax));
    const cardOutcome = struck?.declineCode === undefined ? undefined : declineOutcome(struck.declineCode);
    const decision = ledger.decide(command, { nowMs, newId, key, ...(cardOutcome && { cardOutcome }) });
    if (decision.kind === 'invalid') return refuse(decision.status, decision.error);
    const record = finish(decision.record, struck?.errorAfter);
    ledger.apply(record);
    const durable = journal.append(record);
    if (!durable) {
      webhooks.publish(record);
      return replyOf(record, false);
    }
    return answerWhenDurable(record, durable);
  }

  async function answerWhenDurable(record: LedgerRecord, durable: Promise<void>): Promise<CallReply> {
    try {
      await durable;
    } catch (error) {
      return refuse(500, breakDown(error));
    }
    webhooks.publish(record);
    return replyOf(record, false);
  }

  /** The reply for a key that was used before, or undefined for a new one. */
  function repeatOf(command: Command, key: string, nowMs: number): CallReply | undefined {
    const stored = ledger.stored(key);
    if (!stored || stored.atMs < nowMs - keyTtlMs) return undefined;
    return sameCommand(stored.command, command) ? replyOf(stored, true) : refuse(400, keyReused(key));
  }

  function finish(record: LedgerRecord, replyStatus: number | undefined): LedgerRecord {
    const eventId = endpoints.length > 0 && eventTypeOf(record) ? ids.next('evt') : undefined;
    if (eventId === undefined && replyStatus === undefined) return record;
    return { ...record, eventId, replyStatus };
  }

  async function callUnderFaults(command: Command, key: string | undefined, struck: CallFaults): Promise<CallReply> {
    if (struck.dropRequest) return { kind: 'lost' };
    if (struck.errorBefore !== undefined) return refuse(struck.errorBefore, brokenBefore(struck.errorBefore));
    if (struck.stallBeforeMs > 0) await timers.sleep(struck.stallBeforeMs);
    const reply = await execute(command, key, struck);
    if (struck.stallAfterMs > 0) await timers.sleep(struck.stallAfterMs);
    return struck.dropReply ? { kind: 'lost' } : reply;
  }

  function read<T>(look: (ledger: Ledger) => T): Read<T> | Promise<Read<T>> {
    if (broken) return { kind: 'failed', status: 500, error: broken };
    const struck = faults.draw('read');
    if (struck) return readUnderFaults(look, struck);
    const durable = journal.settled();
    return durable ? readWhenDurable(look, durable) : value(look);
  }

  async function readWhenDurable<T>(look: (ledger: Ledger) => T, durable: Promise<void>): Promise<Read<T>> {
    try {
      await durable;
    } catch (error) {
      return { kind: 'failed', status: 500, error: breakDown(error) };
    }
    return value(look);
  }

  function breakDown(error: unknown): ApiError {
    if (!broken) log.error('sandbox: the journal failed; every call is refused until a restart', { error });
    broken ??= { type: 'api_error', message: error instanceof Error ? error.message : String(error) };
    return broken;
  }

  const value = <T>(look: (ledger: Ledger) => T): Read<T> => ({ kind: 'value', value: look(ledger) });

  async function readUnderFaults<T>(look: (ledger: Ledger) => T, struck: CallFaults): Promise<Read<T>> {
    if (struck.dropRequest) return { kind: 'lost' };
    const status = struck.errorBefore ?? struck.errorAfter;
    if (status !== undefined) return { kind: 'failed', status, error: brokenBefore(status) };
    const stallMs = struck.stallBeforeMs + struck.stallAfterMs;
    if (stallMs > 0) await timers.sleep(stallMs);
    const settled = await readWhenDurable(look, Promise.resolve(journal.settled()));
    return struck.dropReply ? { kind: 'lost' } : settled;
  }

  return {
    call,
    read,
    searchHorizonMs: () => clock.now() - faults.searchLagMs,
    ledger,
    faults,
    webhooks,
    rebuilt,
    async close() {
      webhooks.close();
      await journal.close();
    },
  };
}

function replyOf(record: LedgerRecord, replayed: boolean): CallReply {
  if (record.replyStatus !== undefined) {
    return { kind: 'reply', status: record.replyStatus, error: brokenAfter(record.replyStatus), replayed };
  }
  return {
    kind: 'reply',
    status: record.status,
    intent: record.intent,
    ...(record.refund && { refund: record.refund }),
    ...(record.error && { error: record.error }),
    replayed,
  };
}

function refuse(status: number, error: ApiError): CallReply {
  return { kind: 'reply', status, error, replayed: false };
}

const keyInUse = (key: string): ApiError => ({
  type: 'invalid_request_error',
  code: 'idempotency_key_in_use',
  message: `There is currently another in-progress request using this idempotency key (${key}). Try again later.`,
});

const keyReused = (key: string): ApiError => ({
  type: 'idempotency_error',
  message:
    'Keys for idempotent requests can only be used with the same parameters they were first used with. ' +
    `Try using a key other than '${key}' if you meant to execute a different request.`,
});

const sandboxFull = (intentsMax: number): ApiError => ({
  type: 'invalid_request_error',
  code: 'rate_limit',
  message: `The sandbox keeps at most ${intentsMax} payments. Start it with empty books or raise intentsMax.`,
});

const brokenBefore = (status: number): ApiError => ({
  type: 'api_error',
  message: `A fault of the sandbox answered ${status} before the call took effect.`,
});

const brokenAfter = (status: number): ApiError => ({
  type: 'api_error',
  message: `A fault of the sandbox answered ${status} after the call took effect.`,
});
