import type { LogLevel } from '#kit/runtime';

export interface PrettyLine {
  /** ISO 8601. */
  readonly time: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly colour: boolean;
}

const colours: Readonly<Record<LogLevel | 'dim', number>> = { debug: 90, info: 32, warn: 33, error: 31, dim: 2 };

/** `09:00:25.123 WARN  saga stalled  service=orders step=3`, with the stack of an error, if it has one, below it. */
export function formatPretty({ time, level, message, fields, colour }: PrettyLine): string {
  const paint = (name: LogLevel | 'dim', text: string) => (colour ? `\u001b[${colours[name]}m${text}\u001b[0m` : text);
  let line = `${paint('dim', time.slice(11, 23))} ${paint(level, level.toUpperCase().padEnd(5))} ${oneLine(message)}`;
  const below: string[] = [];
  for (const name in fields) {
    const value = fields[name];
    if (value === undefined) continue;
    line += ` ${paint('dim', `${oneLine(name)}=`)}${oneLine(textOf(isPlainError(value) ? shortError(value) : value))}`;
    if (isPlainError(value)) below.push(...framesOf(value).map((frame) => paint('dim', `      ${oneLine(frame)}`)));
  }
  return `${[line, ...below].join('\n')}\n`;
}

interface PlainError {
  readonly type: string;
  readonly message: string;
  readonly stack?: string;
  readonly fault?: string;
}

function isPlainError(value: unknown): value is PlainError {
  const { type, message, stack, fault } = (value ?? {}) as Partial<PlainError>;
  const isError = typeof stack === 'string' || typeof fault === 'string';
  return isError && typeof type === 'string' && typeof message === 'string';
}

/** What was foreseen is said in its message; of everything else whatever is known may help. */
function shortError({ type, message, stack: _, ...rest }: PlainError): string {
  const head = `${type}: ${message}`;
  return rest.fault !== undefined || Object.keys(rest).length === 0 ? head : `${head} ${JSON.stringify(rest)}`;
}

function framesOf({ stack = '' }: PlainError): string[] {
  return stack
    .split('\n')
    .slice(1)
    .map((frame) => frame.trim());
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value) ?? String(value);
  return value === '' || /["=]/.test(value) ? JSON.stringify(value) : value;
}

/** What someone sent us must not move the cursor, change colours or begin a line of its own. */
function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
