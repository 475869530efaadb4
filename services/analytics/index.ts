import { analytics } from '#contracts/analytics';
import { implement, type ServerOptions, type ServiceServer } from '#kit/contract';
import {
  type EventLog,
  inboxMigrations,
  type LogicalClock,
  type MessagingMetrics,
  type Subscription,
  subscribe,
} from '#kit/messaging';
import type { Component, Database, Transaction, World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { noTelemetry, type Telemetry, traceEvents } from '#kit/telemetry';
import { createHandlers } from './handlers.ts';
import { countedTypes, factsOf } from './model.ts';
import { addFacts, forgetFacts } from './store.ts';

export const analyticsMigrations: readonly Migrations[] = [
  inboxMigrations,
  { directory: `${import.meta.dirname}/schema`, table: 'schema_analytics' },
];

export interface AnalyticsOptions {
  readonly world: World;
  readonly database: Database;
  readonly log: EventLog;
  readonly logicalClock?: LogicalClock;
  readonly metrics?: MessagingMetrics;
  readonly telemetry?: Telemetry;
  readonly server?: Partial<ServerOptions>;
}

export interface Analytics {
  readonly server: ServiceServer;
  readonly component: Component;
  readonly subscription: Subscription;
}

/**
 * Counts sales from the events of orders and tills. Nobody calls it to tell, and it calls nobody: the order path doesn't know
 * that it exists, and it can be rebuilt from the log at any time.
 */
export function createAnalytics(options: AnalyticsOptions): Analytics {
  const { world, database, log, logicalClock, metrics, telemetry = noTelemetry } = options;
  const subscription = subscribe({
    group: 'analytics',
    topics: ['orders', 'tills'],
    types: countedTypes,
    log,
    database,
    world,
    delivery: 'effectively-once',
    handler: traceEvents({ telemetry, log: world.log, group: 'analytics' }, (tx: Transaction, events) =>
      addFacts(tx, factsOf(events)),
    ),
    reset: forgetFacts,
    // Sums don't depend on the order of events, so one that can't be counted holds up none of its order.
    onPoison: 'skip',
    ...(logicalClock ? { logicalClock } : {}),
    ...(metrics ? { metrics } : {}),
  });
  const handlers = createHandlers({ database, subscription, clock: world.clock });
  return {
    server: implement(analytics, handlers, { clock: world.clock, ...options.server }),
    component: subscription.component,
    subscription,
  };
}
