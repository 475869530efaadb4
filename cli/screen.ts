import { styleText } from 'node:util';

/** What a person sees while a command works: steps with their timing. With `json`, standard output is left alone. */
export interface Screen {
  /** Runs `work` and prints what it was and how long it took; a failure is printed by whoever catches it. */
  step<T>(title: string, work: () => Promise<T>): Promise<T>;
  say(text: string): void;
  /** One line that changes while something goes on; where there is no terminal, nothing. */
  progress(text: string): void;
  /** The one line of JSON on standard output, in `json` mode only. */
  result(value: object): void;
  readonly isJson: boolean;
}

export function createScreen(isJson: boolean, isQuiet = false): Screen {
  // Progress is for people, so it goes where a pipe doesn't take it; the result is what a pipe wants.
  const stream = isJson ? process.stderr : process.stdout;
  // styleText itself honours NO_COLOR, FORCE_COLOR and whether the stream is a terminal.
  const paint = (style: 'green' | 'dim', text: string) => styleText(style, text, { stream });
  let isLineOpen = false;
  const closeLine = () => {
    if (isLineOpen) stream.write('\r\x1b[K');
    isLineOpen = false;
  };
  return {
    isJson,
    progress(text) {
      if (isQuiet || !stream.isTTY) return;
      stream.write(`\r\x1b[K${paint('dim', text)}`);
      isLineOpen = true;
    },
    async step(title, work) {
      const startedMs = performance.now();
      const result = await work();
      const tookMs = Math.round(performance.now() - startedMs);
      if (isQuiet) return result;
      closeLine();
      stream.write(`${paint('green', '✓')} ${title} ${paint('dim', `${tookMs} ms`)}\n`);
      return result;
    },
    say(text) {
      closeLine();
      if (!isQuiet) stream.write(`${text}\n`);
    },
    result(value) {
      if (isJson) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
  };
}

export function complain(sentence: string): void {
  process.stderr.write(`${styleText('red', 'holdfast:', { stream: process.stderr })} ${sentence}\n`);
}
