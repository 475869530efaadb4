export { type Anomaly, type AnomalyName, forbiddenBy, type IsolationLevel } from './anomaly.ts';
export { checkTransactions, describeAnomaly, type ElleOptions, type ElleReport } from './check.ts';
export type { Element, MicroOperation, Transaction } from './transaction.ts';
export { type AppendWorkload, type AppendWorkloadOptions, createAppendWorkload } from './workload.ts';
