export { ClockFormatError, ClockSkewError } from './errors.ts';
export { type ClockAlarm, createHybridClock, type HybridClock, type HybridClockOptions } from './hybrid.ts';
export { createLamportClock, type LamportClock } from './lamport.ts';
export { compareTimestamps, formatTimestamp, type HybridTimestamp, parseTimestamp } from './timestamp.ts';
