import type { World } from '#kit/runtime';
import { EventTooLarge } from './errors.ts';

/**
 * An event as it is stored and carried: CloudEvents 1.0 in its JSON format. Extension names are lower case because
 * the specification wants them so.
 */
export interface EventEnvelope<Data = unknown> {
  readonly specversion: '1.0';
  /** Unique together with `source`. */
  readonly id: string;
  /** The service that it happened in. */
  readonly source: string;
  /** What happened, in the past tense: `order.confirmed`. */
  readonly type: string;
  /** The key: events with the same subject stay in order. */
  readonly subject: string;
  /** RFC 3339. For people; never compared across machines. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly data: Data;
  /** W3C Trace Context of what caused it. */
  readonly traceparent?: string;
  /** The idempotency key of the business operation that caused it. */
  readonly businesskey?: string;
  /** Hybrid logical time: of two events where one caused the other, the cause has the lesser. */
  readonly hlc?: string;
  /** Hops from the first request: with the correlation id it orders causes and effects without any clock. */
  readonly step?: number;
  readonly correlationid?: string;
}

/** What a service says of an event; the rest is filled in. */
export interface EventDraft<Data = unknown> {
  readonly type: string;
  readonly key: string;
  readonly data: Data;
  /** Default: a new one. Give your own when the same event may be made twice in different transactions. */
  readonly id?: string;
  readonly businessKey?: string;
  /** The call or event that caused it. */
  readonly context?: EventCause;
  /** Its logical time, where a row of the transaction keeps it too. Default: now, and after that of `context`. */
  readonly hlc?: string | undefined;
}

/** The part of a `CallContext` (kit/contract) that events carry on. See `causeOf` for events that cause events. */
export interface EventCause {
  readonly correlationId?: string | undefined;
  readonly step?: number | undefined;
  readonly traceparent?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** Logical time of the event that caused it. A call's is known to the clock already. */
  readonly hlc?: string | undefined;
}

/** Stamps and merges hybrid logical time (kit/clock); `receive` throws when the remote time is too far ahead. */
export interface LogicalClock {
  /** With the stamp of what is committed already, and so can't be refused: after that as well. */
  tick(cause?: string): string;
  receive(remote: string): void;
}

export interface EnvelopeOptions {
  readonly source: string;
  readonly world: Pick<World, 'clock' | 'ids'>;
  readonly logicalClock?: LogicalClock;
}

/** Larger events are refused: a reader's memory is bounded by events times this. */
export const eventBytesMax = 256 * 1024;

export function createEnvelope<Data>(options: EnvelopeOptions, draft: EventDraft<Data>): EventEnvelope<Data> {
  const { source, world, logicalClock } = options;
  const { context } = draft;
  const businessKey = draft.businessKey ?? context?.idempotencyKey;
  const hlc = draft.hlc ?? logicalClock?.tick(context?.hlc);
  return {
    specversion: '1.0',
    id: draft.id ?? world.ids.next('evt'),
    source,
    type: draft.type,
    subject: draft.key,
    time: new Date(world.clock.now()).toISOString(),
    datacontenttype: 'application/json',
    data: draft.data,
    ...(context?.traceparent === undefined ? {} : { traceparent: context.traceparent }),
    ...(businessKey === undefined ? {} : { businesskey: businessKey }),
    ...(hlc === undefined ? {} : { hlc }),
    ...(context?.step === undefined ? {} : { step: context.step + 1 }),
    ...(context?.correlationId === undefined ? {} : { correlationid: context.correlationId }),
  };
}

/** The cause to hand on when an event makes a service publish another one. */
export function causeOf(event: EventEnvelope): EventCause {
  return {
    correlationId: event.correlationid,
    step: event.step,
    traceparent: event.traceparent,
    idempotencyKey: event.businesskey,
    hlc: event.hlc,
  };
}

/** The JSON text of an event. Throws `EventTooLarge`. */
export function encodeEnvelope(envelope: EventEnvelope): string {
  const text = JSON.stringify(envelope);
  // Three bytes is the most that a UTF-16 unit takes, so most events need no counting.
  if (text.length * 3 > eventBytesMax && Buffer.byteLength(text) > eventBytesMax) {
    throw new EventTooLarge(envelope.type, envelope.subject, Buffer.byteLength(text), eventBytesMax);
  }
  return text;
}
