/** A line that says where a run stands; an empty one takes it away. */
export type Progress = (text: string) => void;

export interface ProgressOptions {
  readonly stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>;
  /** Asked for where nobody looks at a terminal: a line now and then. */
  readonly isAsked: boolean;
  readonly elapsedMs: () => number;
}

const tellEveryMs = 10_000;

/** On a terminal one line that changes; into a file or a pipe only what was asked for, as that has to be read afterwards. */
export function createProgress({ stream, isAsked, elapsedMs }: ProgressOptions): Progress {
  let tellAtMs = 0;
  return (text) => {
    if (stream.isTTY) stream.write(`\r\x1b[2K${text}`);
    else if (isAsked && text !== '' && elapsedMs() >= tellAtMs) {
      tellAtMs = elapsedMs() + tellEveryMs;
      stream.write(`${text}\n`);
    }
  };
}
