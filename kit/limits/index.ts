export { createLimitHeaders, type LimitHeaders } from './headers.ts';
export { createLimiter, type Limiter, type LimiterOptions, type Rate, type Verdict } from './limiter.ts';
export { type SharedSpending, type Sharing, shareSpending } from './shared.ts';
export { createMemorySpending } from './shared-memory.ts';
export { createValkeySpending } from './shared-valkey.ts';
