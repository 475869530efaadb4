import { notifications } from '#contracts/notifications';
import type { users } from '#contracts/users';
import { type Client, implement, isProblem, ownContext, type ServerOptions, type ServiceServer } from '#kit/contract';
import {
  type EventLog,
  inboxMigrations,
  type LogicalClock,
  type MessagingMetrics,
  type Subscription,
  subscribe,
} from '#kit/messaging';
import type { Cancel, Component, Database, World } from '#kit/runtime';
import type { Migrations } from '#kit/store';
import { noTelemetry, type Telemetry, traceEvents } from '#kit/telemetry';
import { createConsumer } from './consumer.ts';
import { createHandlers } from './handlers.ts';
import type { Mailer } from './mailer.ts';
import { receiptLetters } from './receipt-letters.ts';
import { createSender, type SenderOptions } from './sender.ts';
import { stockLetters } from './stock-letters.ts';
import { sweepNotifications } from './store.ts';
import { orderLetters, type Shop } from './templates.ts';
import { userLetters, writeResetLetter } from './user-letters.ts';

export { createSmtpMailer, type Mail, type Mailer, MailRefused, type SmtpMailerOptions } from './mailer.ts';

export const notificationsMigrations: readonly Migrations[] = [
  inboxMigrations,
  { directory: `${import.meta.dirname}/schema`, table: 'schema_notifications' },
];

export interface NotificationsOptions {
  readonly world: World;
  readonly database: Database;
  readonly log: EventLog;
  /** Asked for the token of a password reset at the moment it is mailed, so that it rests nowhere. */
  readonly users: Pick<Client<typeof users>, 'issuePasswordResetToken'>;
  /** Without one, mails are kept in the database to be read there (status `recorded`). */
  readonly mailer?: Mailer;
  readonly shop?: Shop;
  /** Right-hand side of Message-IDs. Default `holdfast.invalid`; use your own domain with a mailer. */
  readonly messageIdDomain?: string;
  /** Orders of these channels get no mail. Default `import`: nobody wants to hear about an order of years ago. */
  readonly silentChannels?: readonly string[];
  /** Ended notifications are removed after this. Default 180 days. */
  readonly keepMs?: number;
  readonly logicalClock?: LogicalClock;
  readonly metrics?: MessagingMetrics;
  readonly telemetry?: Telemetry;
  readonly server?: Partial<ServerOptions>;
  readonly sender?: Partial<Pick<SenderOptions, 'backoffMsMin' | 'backoffMsMax' | 'giveUpAfterMs' | 'sendTimeoutMs'>>;
}

export interface Notifications {
  readonly server: ServiceServer;
  readonly component: Component;
  readonly subscription: Subscription;
}

const keepMsDefault = 180 * 24 * 3_600_000;
const sweepPeriodMs = 600_000;

/** Tells customers by e-mail what became of their orders and accounts. It listens; nobody has to tell it anything. */
export function createNotifications(options: NotificationsOptions): Notifications {
  const { world, database, log, mailer, logicalClock, metrics, keepMs = keepMsDefault } = options;
  const { telemetry = noTelemetry } = options;
  const { shop = { name: 'the shop' }, messageIdDomain = 'holdfast.invalid', silentChannels = ['import'] } = options;
  const status = mailer ? 'pending' : 'recorded';
  const sender = mailer && createSender({ database, world, mailer, writeReset, messageIdDomain, ...options.sender });
  const wakeSender = () => sender?.wake();
  const subscription = subscribe({
    group: 'notifications',
    topics: ['orders', 'users', 'tills', 'inventory'],
    types: [...orderLetters, ...userLetters, ...receiptLetters, ...stockLetters],
    log,
    database,
    world,
    delivery: 'effectively-once',
    handler: traceEvents(
      { telemetry, log: world.log, group: 'notifications' },
      createConsumer({ ids: world.ids, shop, status, silentChannels }),
    ),
    onCommit: wakeSender,
    ...(logicalClock ? { logicalClock } : {}),
    ...(metrics ? { metrics } : {}),
  });
  let cancelSweep: Cancel = () => {};

  async function sweep(): Promise<void> {
    await sweepNotifications(database, keepMs).catch((error) => world.log.warn('notification sweep failed', { error }));
  }

  async function writeReset(resetId: string, signal: AbortSignal) {
    try {
      const { body } = await options.users.issuePasswordResetToken(
        { params: { resetId } },
        ownContext(world, { service: notifications.service, timeoutMs: tokenTimeoutMs, signal }),
      );
      return writeResetLetter(shop, body);
    } catch (error) {
      if (isProblem(error) && error.status === 404) return undefined;
      throw error;
    }
  }

  const handlers = createHandlers({ database, ids: world.ids, subscription, status, wakeSender });
  return {
    server: implement(notifications, handlers, { clock: world.clock, ...options.server }),
    subscription,
    component: {
      name: 'notifications',
      async start() {
        await subscription.component.start?.();
        sender?.start();
        cancelSweep = world.timers.every(sweepPeriodMs, sweep);
      },
      async drain() {
        await subscription.component.drain?.();
        await sender?.stop();
      },
      async stop() {
        cancelSweep();
        await subscription.component.stop?.();
        await sender?.stop();
        await mailer?.close();
      },
      check: async () => subscription.component.check?.(),
    },
  };
}

const tokenTimeoutMs = 5_000;
