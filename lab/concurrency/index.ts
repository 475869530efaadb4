export { type Bug, bugNamed, bugs } from './bugs/index.ts';
export { allMigrations } from './migrations.ts';
export { factsOf, failureOf, tableOf } from './report.ts';
export { createRig, quietLog, type Rig } from './rig.ts';
export { type Failure, type RunResult, runWorkload } from './run.ts';
export { workloadNamed, workloads } from './workloads/index.ts';
