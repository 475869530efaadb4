export { ClockFormatError, ClockSkewError } from './errors.ts';
export {
  type ClockAlarm,
  createHybridClock,
  createTextClock,
  type HybridClock,
  type HybridClockOptions,
  type TextClock,
} from './hybrid.ts';
export { createLamportClock, type LamportClock } from './lamport.ts';
export { createRejoiningClock, type RejoiningClockOptions } from './rejoining.ts';
export { compareTimestamps, formatTimestamp, type HybridTimestamp, parseTimestamp } from './timestamp.ts';
