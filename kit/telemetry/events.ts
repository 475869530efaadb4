import type { Logger } from '#kit/runtime';
import type { Span, Telemetry } from './port.ts';
import { isSampled } from './traceparent.ts';

/** The metrics hooks of kit/messaging, in its words. */
export interface EventMeasures {
  relayed(batch: { readonly source: string; readonly count: number; readonly durationMs: number }): void;
  consumed(batch: { readonly group: string; readonly count: number; readonly durationMs: number }): void;
  failed(failure: { readonly group: string; readonly type: string; readonly final: boolean }): void;
  clockAhead(event: { readonly group: string; readonly source: string }): void;
}

/** Measures outboxes and subscriptions: give it as their `metrics`. */
export function measureEvents(telemetry: Telemetry): EventMeasures {
  const relayed = telemetry.counter({
    name: 'holdfast_events_relayed_total',
    help: 'Events moved from an outbox to the log.',
    labels: ['source'],
  });
  const relaySeconds = telemetry.histogram({
    name: 'holdfast_relay_turn_duration_seconds',
    help: 'Time of one turn of a relay that moved events.',
    labels: ['source'],
  });
  const consumed = telemetry.counter({
    name: 'holdfast_events_consumed_total',
    help: 'Events that a group of consumers has put behind it.',
    labels: ['group'],
  });
  const consumeSeconds = telemetry.histogram({
    name: 'holdfast_consume_batch_duration_seconds',
    help: 'Time to handle and commit one batch of events.',
    labels: ['group'],
  });
  const failed = telemetry.counter({
    name: 'holdfast_event_failures_total',
    help: 'Handlers that failed; final: the event went to the dead letters.',
    labels: ['group', 'type', 'final'],
  });
  const ahead = telemetry.counter({
    name: 'holdfast_event_clock_ahead_total',
    help: 'Events from a clock that runs ahead by more than the bound.',
    labels: ['group', 'source'],
  });
  return {
    relayed({ source, count, durationMs }) {
      relayed.add({ source }, count);
      relaySeconds.observe({ source }, durationMs / 1_000);
    },
    consumed({ group, count, durationMs }) {
      consumed.add({ group }, count);
      consumeSeconds.observe({ group }, durationMs / 1_000);
    },
    failed: ({ group, type, final }) => failed.add({ group, type, final: String(final) }),
    clockAhead: ({ group, source }) => ahead.add({ group, source }),
  };
}

/** The part of an event (kit/messaging) that says what it belongs to. */
interface TracedEvent {
  readonly type: string;
  /** What it is about: events of one subject are in order. */
  readonly subject?: string;
  readonly traceparent?: string;
  readonly correlationid?: string;
  readonly step?: number;
}

/**
 * Gives each event of a sampled trace a span of its own while `handler` works on its batch, and a line of the log; each other
 * event a line of the debug log. A batch that is tried again shows as several spans.
 */
export function traceEvents<Tx, Event extends TracedEvent>(
  { telemetry, log, group }: { readonly telemetry: Telemetry; readonly log: Logger; readonly group: string },
  handler: (tx: Tx, events: readonly Event[]) => Promise<void>,
): (tx: Tx, events: readonly Event[]) => Promise<void> {
  return async (tx, events) => {
    const spans: Span[] = [];
    for (const { type, subject, traceparent, correlationid, step } of events) {
      const sampled = isSampled(traceparent);
      const ids = { key: subject, correlationId: correlationid, step, traceId: traceparent?.slice(3, 35), sampled };
      log[sampled ? 'info' : 'debug']('event', { group, type, ...ids });
      if (traceparent === undefined) continue;
      const span = telemetry.span(`${group} ${type}`, traceparent, { service: group, step }, 'consumer');
      if (span.recording) spans.push(span);
    }
    try {
      await handler(tx, events);
    } catch (error) {
      for (const span of spans) span.fail(error);
      throw error;
    } finally {
      for (const span of spans) span.end();
    }
  };
}
