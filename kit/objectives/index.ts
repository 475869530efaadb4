export {
  type BurnRule,
  badMin,
  budgetLeft,
  burnRate,
  burnRules,
  type Counted,
  firing,
  type Objective,
  periodMs,
  windowsMs,
} from './budget.ts';
export { createHistoryReader, type HistoryReader } from './files.ts';
export { createHistory, type Entry, type History, type Tallies } from './history.ts';
export { type Counts, createRecorder, type Recorder, type RecorderOptions } from './recorder.ts';
export { type ObjectiveStatus, statusOf } from './status.ts';
