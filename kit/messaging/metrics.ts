/** What a telemetry back end may want to know. All optional, called synchronously, must not throw. Lag is asked for (`Subscription.lag`). */
export interface MessagingMetrics {
  /** Events moved from an outbox to the log in one turn. */
  relayed?(batch: { readonly source: string; readonly count: number; readonly durationMs: number }): void;
  /** Events a group has put behind it in one transaction, those of other types included. */
  consumed?(batch: { readonly group: string; readonly count: number; readonly durationMs: number }): void;
  /** A handler failed. `final`: the event went to the dead letters (or, at most once, was given up). */
  failed?(failure: { readonly group: string; readonly type: string; readonly final: boolean }): void;
  /** An event's logical time was too far ahead of ours: some machine's clock is wrong. */
  clockAhead?(event: { readonly group: string; readonly source: string }): void;
}
