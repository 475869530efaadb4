export { type ChaosCommandOptions, type ChaosScreen, chaos } from './chaos.ts';
export { type VerifyOptions, type VerifyResult, verifyBooks } from './verify.ts';
