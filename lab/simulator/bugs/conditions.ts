import type { Conditions } from '../conditions.ts';

/** Requests and replies get lost, late, and come twice: whoever asks has to ask again. */
export const lossyNetwork = {
  network: { loss: 0.08, duplication: 0.1, straggler: 0.05 },
} as const satisfies Conditions;

/** What was sent first arrives last. */
export const lateMessages = { network: { delayMs: 30, straggler: 0.3, loss: 0.03 } } as const satisfies Conditions;

/** Processes and connections end between any two statements, and commits without an answer. */
export const weakDatabase = {
  database: { crash: 0.012, connectionLoss: 0.03, unknownCommit: 0.08 },
} as const satisfies Conditions;

/** The provider does its work and doesn't say so, or says so late. */
export const silentProvider = {
  provider: [
    { do: 'drop-reply', probability: 0.25 },
    { do: 'stall', ms: 5_000, at: 'after', probability: 0.15 },
  ],
} as const satisfies Conditions;
