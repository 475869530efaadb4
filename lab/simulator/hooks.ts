import type { ServiceServer } from '#kit/contract';
import type { EventLog } from '#kit/messaging';
import type { Database, Transport } from '#kit/runtime';
import type { Mailer } from '#services/notifications';
import type { PaymentProvider } from '#services/payments/provider';
import type { Incarnation } from './node.ts';
import type { ReaderHandler } from './reader.ts';
import type { Poster } from './webhooks/merchants.ts';

/**
 * Where a planted bug gets hold of a process: what it is handed is replaced by something that misbehaves. The code under
 * test is the same with and without.
 */
export interface Hooks {
  database?(database: Database, owner: string, incarnation: Incarnation): Database;
  transport?(transport: Transport, incarnation: Incarnation): Transport;
  server?(server: ServiceServer, incarnation: Incarnation): ServiceServer;
  provider?(provider: PaymentProvider, incarnation: Incarnation): PaymentProvider;
  log?(log: EventLog, incarnation: Incarnation): EventLog;
  mailer?(mailer: Mailer): Mailer;
  poster?(poster: Poster): Poster;
  reader?(
    handler: ReaderHandler,
    database: Database,
  ): { delivery: 'effectively-once' | 'at-least-once'; handler: ReaderHandler };
}
