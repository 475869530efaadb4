export { type Bug, bugNamed, bugs } from './bugs/index.ts';
export { prepareImages } from './images.ts';
export type { Plan } from './plan.ts';
export { createProgress } from './progress.ts';
export { type RunOptions, type RunResult, runSeed } from './run.ts';
export { type RunSeedsOptions, runSeeds, type SeedsResult } from './runner.ts';
export { simulate } from './simulate.ts';
export { parseDuration, type SimulateOptions, type SimulateScreen } from './simulate-options.ts';
