export * from './books.ts';
export { type Check, type CheckResult, runChecks } from './check.ts';
export * from './elle/index.ts';
export { allChecks } from './guarantees/all.ts';
export { everythingEnds } from './guarantees/ends.ts';
export { copiesConverge } from './guarantees/models.ts';
export * from './history/index.ts';
export * from './linearizable/index.ts';
export { type BookSources, type FinalState, readState } from './read-state.ts';
