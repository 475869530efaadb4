export type { DeadLetter, DeadLetters, PoisonPolicy, ReplayOutcome } from './dead-letters.ts';
export type { EffectHandler, HandlerOptions, TransactionHandler } from './delivery.ts';
export {
  causeOf,
  createEnvelope,
  type EnvelopeOptions,
  type EventCause,
  type EventDraft,
  type EventEnvelope,
  encodeEnvelope,
  eventBytesMax,
  type LogicalClock,
} from './envelope.ts';
export { EventTooLarge, PositionOutOfLog, StalePosition } from './errors.ts';
export { inboxMigrations } from './inbox.ts';
export type {
  Assignment,
  EventLog,
  ExactAppend,
  GroupMembership,
  LastAppend,
  LogRecord,
  PartitionBounds,
  ReadRange,
  Retention,
} from './log.ts';
export { createLoop, type Loop, type LoopOptions, type Turn } from './loop.ts';
export type { MessagingMetrics } from './metrics.ts';
export { createOutbox, type Outbox, type OutboxOptions, outboxMigrations } from './outbox.ts';
export { partitionCount, partitionOf } from './partition.ts';
export { createPostgresLog, logMigrations, type PostgresLogOptions } from './postgres-log.ts';
export { type PartitionLag, type Subscription, type SubscriptionOptions, subscribe } from './subscription.ts';
export { createSweeper, type SweeperOptions } from './sweeper.ts';
export { createTail, type TailOptions } from './tail.ts';
