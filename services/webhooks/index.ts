import { webhooks, webhookTypes } from '#contracts/webhooks';
import { implement, type ServerOptions, type ServiceServer } from '#kit/contract';
import {
  type EventLog,
  inboxMigrations,
  type LogicalClock,
  type MessagingMetrics,
  type Subscription,
  subscribe,
} from '#kit/messaging';
import { type Cancel, type Component, type Database, quietly, type World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { noTelemetry, type Telemetry, traceEvents } from '#kit/telemetry';
import { createConsumer } from './consumer.ts';
import { createHandlers } from './handlers.ts';
import { createPoster, type Poster } from './post.ts';
import { createSender, type SenderOptions } from './sender.ts';
import { createSeal } from './sign.ts';
import { hasEndpoints, sweep } from './store.ts';

export const webhooksMigrations: readonly Migrations[] = [
  inboxMigrations,
  { directory: `${import.meta.dirname}/schema`, table: 'schema_webhooks' },
];

export interface WebhooksOptions {
  readonly world: World;
  readonly database: Database;
  readonly log: EventLog;
  /** Seals the secrets of endpoints. The same for all instances, kept outside of the database. */
  readonly keyEncryptionSecret: string | Uint8Array;
  /** Lets endpoints be plain http, on this machine and in this network. Default false. */
  readonly allowPrivate?: boolean;
  /** Deliveries that ended are removed after this. Default 30 days. */
  readonly keepMs?: number;
  readonly logicalClock?: LogicalClock;
  readonly metrics?: MessagingMetrics;
  readonly telemetry?: Telemetry;
  readonly server?: Partial<ServerOptions>;
  readonly sender?: Partial<
    Pick<SenderOptions, 'retryDelaysMs' | 'disableAfterMs' | 'leaseMs' | 'pollMs' | 'stopAfterMs'>
  >;
  /** Default: HTTP by undici (`createPoster`). */
  readonly poster?: Poster;
}

export interface Webhooks {
  readonly server: ServiceServer;
  readonly component: Component;
  /** Undefined while there is no endpoint: then nobody reads events, and nobody is behind. */
  readonly subscription: Subscription | undefined;
}

const keepMsDefault = 30 * 24 * 3_600_000;
const sweepPeriodMs = 600_000;
/** Another instance may have been told of the first endpoint. */
const lookPeriodMs = 5_000;

/** Tells merchants' systems what happens. It listens to the log; nobody has to tell it anything. */
export function createWebhooks(options: WebhooksOptions): Webhooks {
  const { world, database, log, allowPrivate = false, keepMs = keepMsDefault, logicalClock, metrics } = options;
  const { telemetry = noTelemetry, poster = createPoster({ allowPrivate }) } = options;
  const { timers } = world;
  const seal = createSeal(options.keyEncryptionSecret);
  const sender = createSender({ database, world, poster, seal, ...options.sender });
  const wakeSender = () => sender.wake();
  const subscription = subscribe({
    group: 'webhooks',
    topics: ['orders', 'products', 'inventory'],
    types: [...webhookTypes],
    log,
    database,
    world,
    delivery: 'effectively-once',
    handler: traceEvents({ telemetry, log: world.log, group: 'webhooks' }, createConsumer({ ids: world.ids })),
    onCommit: wakeSender,
    ...(logicalClock ? { logicalClock } : {}),
    ...(metrics ? { metrics } : {}),
  });
  let isRunning = false;
  let listening: Promise<void> | undefined;
  let cancels: Cancel[] = [];

  /** Reading the log for nobody would cost every order something. Where it can not begin, the next look tries again. */
  async function listen(): Promise<void> {
    if (!isRunning) return;
    listening ??= Promise.resolve(subscription.component.start?.());
    try {
      await listening;
    } catch (error) {
      listening = undefined;
      throw error;
    }
  }
  const look = quietly(world.log, 'webhooks look for endpoints', async () => {
    if (!listening && (await hasEndpoints(database))) await listen();
  });

  const handlers = createHandlers({
    ...{ world, database, seal, allowPrivate, logicalClock, wakeSender, onEndpoint: look },
    deadLetters: subscription.deadLetters,
    lag: async () => (listening ? subscription.lag() : []),
  });
  return {
    server: implement(webhooks, handlers, { clock: world.clock, ...options.server }),
    get subscription() {
      return listening ? subscription : undefined;
    },
    component: {
      name: 'webhooks',
      async start() {
        isRunning = true;
        if (await hasEndpoints(database)) await listen();
        sender.start();
        cancels = [
          timers.every(lookPeriodMs, look),
          timers.every(
            sweepPeriodMs,
            quietly(world.log, 'webhooks sweep', () => sweep(database, keepMs)),
          ),
        ];
      },
      async drain() {
        isRunning = false;
        for (const cancel of cancels) cancel();
        if (listening) await subscription.component.drain?.();
        await sender.stop();
      },
      async stop() {
        isRunning = false;
        for (const cancel of cancels) cancel();
        if (listening) await subscription.component.stop?.();
        await sender.stop();
        await poster.close();
      },
      check: async () => (listening ? subscription.component.check?.() : undefined),
    },
  };
}
