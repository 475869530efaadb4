/** What is wrong with a recorded history, where, and what it should be. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError';
  /** From 1; 0: the whole file. */
  readonly line: number;

  constructor(line: number, what: string) {
    super(line === 0 ? what : `line ${line}: ${what}`);
    this.line = line;
  }
}
