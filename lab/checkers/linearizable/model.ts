/** One operation on one object: when it was asked for, when the answer came, and what both said. */
export interface Call<Input = unknown, Output = unknown> {
  readonly id: string;
  /** Moments on one clock. Those that touch are taken to overlap. */
  readonly startAt: number;
  /** Infinity while nobody knows whether it took effect: then it may have, at any time since, or never. */
  readonly endAt: number;
  readonly input: Input;
  /** Undefined exactly when `endAt` is Infinity. */
  readonly output: Output | undefined;
}

/** What one object does when it is asked one thing at a time. Plain functions; `State` is never changed in place. */
export interface Model<State, Input, Output> {
  readonly initial: State;
  /**
   * The state after the operation, or undefined when an object in this state would not have given this answer. An output
   * of undefined is an answer that nobody saw: any will do.
   */
  readonly step: (state: State, input: Input, output: Output | undefined) => State | undefined;
  /** A text or number that is the same for the same state and for no other. */
  readonly keyOf: (state: State) => string | number;
  /** Whether it never changes the state, whatever the state: such operations need no search. */
  readonly isRead: (input: Input) => boolean;
  readonly describe: (input: Input, output: Output | undefined) => string;
  readonly describeState: (state: State) => string;
}
