export { declined, declineTable } from './declines.ts';
export {
  isProviderError,
  ProviderError,
  type ProviderErrorCode,
  type ProviderErrorFields,
  type ProviderOutcome,
} from './errors.ts';
export type { ProviderEvent } from './events.ts';
export { createProviderGuard, type ProviderGuard } from './guard.ts';
export * from './port.ts';
export { createSandboxProvider, type SandboxProviderOptions } from './sandbox.ts';
// `./stripe.ts` is imported where it is used: the SDK takes 150 ms and 20 MB to load.
