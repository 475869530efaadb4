export { type ChaosCommandOptions, type ChaosScreen, chaos } from './chaos.ts';
export { type Status, statusText } from './status.ts';
export { type VerifyOptions, type VerifyResult, verifyBooks } from './verify.ts';
