export { type BackoffOptions, backoffMs } from './backoff.ts';
export {
  type Breaker,
  type BreakerOptions,
  type BreakerState,
  createBreaker,
  type Outcome,
  type Permit,
} from './breaker.ts';
export { createRetryBudget, type RetryBudget, type RetryBudgetOptions } from './budget.ts';
export { type Bulkhead, type BulkheadOptions, createBulkhead } from './bulkhead.ts';
export {
  type Bound,
  createDeadline,
  type Deadline,
  type DeadlineFromHeaderOptions,
  type DeadlineOptions,
  deadlineFromHeader,
  deadlineHeader,
  deadlineMarginMs,
  sleepWithin,
  withinDeadline,
} from './deadline.ts';
export {
  type Category,
  type Classified,
  categoryOf,
  isDependencyFailure,
  RefusalError,
  type Retry,
  retryOf,
} from './errors.ts';
export { HedgeLost } from './hedge.ts';
export { type AdaptiveLimit, type AdaptiveLimitOptions, createAdaptiveLimit, type Priority } from './limit.ts';
export { createPolicy, type Policy, type PolicyEvent, type PolicyOptions, type Work } from './policy.ts';
export { createPressure, type Pressure, type PressureOptions } from './pressure.ts';
export {
  type BreakerEvent,
  createResilientTransport,
  type OperationPolicy,
  type ResilientTransport,
  type ResilientTransportOptions,
  type TryTransport,
} from './transport.ts';
