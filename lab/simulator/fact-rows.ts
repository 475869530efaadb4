import type { OrderEvent } from '#contracts/orders';
import type { Evidence, Row } from '#lab/checkers';
import type { LineMap } from '../../services/carts/lines.ts';
import type { DoorBook } from './door/book.ts';
import type { ErrandBook } from './errands.ts';
import type { MailServer } from './mail.ts';
import type { News } from './newsroom.ts';
import type { ToldEvent } from './webhooks/check.ts';
import type { Delivered } from './webhooks/merchants.ts';

/**
 * What is left when all is quiet: the rows of every database, the provider's books, and what the users saw, in the words
 * of lab/checkers; and what the services that follow the log have made of it.
 */
export interface Facts extends Evidence {
  readonly orders: readonly (Row<'orders'> & { readonly customerId?: string | null })[];
  readonly outbox: readonly Row<'outbox'>[];
  readonly log: readonly LogFact[];
  /** Letters that notifications has written. */
  readonly letters: readonly LetterFact[];
  /** What the mail server has taken. */
  readonly mails: MailServer['taken'];
  /** Events of which notifications has given up to tell. */
  readonly givenUp: readonly string[];
  /** Who follows the log in this run. Where analytics does, `models` has its figures. */
  readonly followers: { readonly reader: boolean; readonly notifications: boolean };
  /** What people know of their errands, and the rows that it is held against. */
  readonly errands: ErrandBook;
  readonly carts: readonly CartFact[];
  readonly checkouts: readonly CheckoutFact[];
  readonly tillEntries: readonly { readonly saleId: string | null; readonly settled: boolean }[];
  readonly news: readonly News[];
  /** Events of accounts and of products, in the order of the log. */
  readonly accountEvents: readonly AccountEventFact[];
  readonly productEvents: readonly ProductEventFact[];
  readonly sessions: readonly { readonly id: string; readonly endedWhy: string | null }[];
  readonly products: readonly ProductFact[];
  /** Events of accounts and products that wait to be told. */
  readonly waiting: number;
  /** What merchants have got, what webhooks keeps of it, and what it has given up to tell. */
  readonly delivered: readonly Delivered[];
  readonly deliveries: readonly DeliveryFact[];
  readonly notPosted: readonly string[];
  /** Events that merchants may hear of, in the order of the log. */
  readonly told: readonly ToldEvent[];
  /** By how much clocks of processes were set, at most. */
  readonly clockStepMsMax: number;
  /** What the doors were asked and answered, and what they wrote down of it. */
  readonly door: DoorBook;
  readonly audit: readonly AuditFact[];
  /** Every row of every table. */
  readonly tables: readonly { readonly database: string; readonly row: string }[];
  /** Somebody has set the clock by which the assistant says how old its knowledge is. */
  readonly isAssistantsClockSet: boolean;
}

interface DeliveryFact {
  readonly id: string;
  readonly status: string;
  readonly attempts: number;
  readonly replayOf: string | null;
}
export interface AuditFact {
  readonly correlationId: string;
  readonly operation: string;
  readonly status: number;
  readonly actorKind: string;
}
interface AccountEventFact {
  readonly eventId: string;
  readonly type: string;
  readonly role: string | null;
  readonly sessionId: string | null;
}
interface ProductFact {
  readonly id: string;
  readonly version: number;
  readonly attributes: Readonly<Record<string, string>>;
  /** By SKU, in the one currency that there is. */
  readonly prices: Readonly<Record<string, number>>;
}
export interface ProductEventFact extends Pick<ProductFact, 'version' | 'prices'> {
  readonly productId: string;
}

interface CartFact {
  readonly id: string;
  readonly customerId: string | null;
  readonly lines: LineMap;
}
interface CheckoutFact {
  readonly businessKey: string;
  readonly cartId: string;
  readonly state: string;
  readonly orderId: string | null;
}

export interface LogFact extends Row<'log'> {
  readonly data: Pick<OrderEvent, 'channel' | 'totalMinor' | 'lines' | 'refundMinor' | 'returned'>;
}
export interface LetterFact {
  readonly id: string;
  readonly eventId: string;
  readonly template: string;
  readonly status: string;
}
