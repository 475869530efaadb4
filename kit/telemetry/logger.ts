import pino from 'pino';
import type { Clock, LogFields, Logger, LogLevel } from '#kit/runtime';
import { formatPretty } from './pretty.ts';
import { redactFields, redactText } from './redact.ts';

/** Where lines go; each ends in a line feed. A file, a socket or `process.stdout` will do. */
export interface LogDestination {
  write(line: string): void;
}

export interface LoggerOptions {
  readonly clock: Clock;
  /** Less important lines are not written. Default `info`. */
  readonly level?: LogLevel;
  /** `json`: one object a line, for machines. `pretty`: for a person at a terminal. Default `json`. */
  readonly format?: 'json' | 'pretty';
  /** Colours in the pretty format. Default false: the caller knows about terminals and NO_COLOR. */
  readonly colour?: boolean;
  /** On every line: the service and instance, for example. */
  readonly fields?: LogFields;
  /** Default: standard output, written before the call returns, so that a crash loses no line. */
  readonly destination?: LogDestination;
}

const severity = { debug: 20, info: 30, warn: 40, error: 50 } as const;

/**
 * The Logger port on pino. Everything passes redaction first (see redact.ts): messages, fields at any depth, errors and
 * their causes. So does what is bound by `with`, once.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { clock, level = 'info', format = 'json', colour = false, fields = {} } = options;
  const destination = options.destination ?? pino.destination({ fd: 1, sync: true });
  const clean = (bound: LogFields | undefined) => (bound ? withoutReserved(redactFields(bound)) : {});
  if (format === 'pretty') {
    return levels(level, prettyWriter(clock, destination, colour, clean, clean(fields)));
  }
  const root = pino(
    {
      level,
      base: clean(fields),
      serializers: { err: (value: unknown) => value },
      timestamp: () => `,"time":"${isoTime(clock.now())}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return levels(level, jsonWriter(root, clean));
}

interface LineWriter {
  write(level: LogLevel, message: string, fields: LogFields | undefined): void;
  with(fields: LogFields): LineWriter;
}

function levels(level: LogLevel, writer: LineWriter): Logger {
  const at = (own: LogLevel) =>
    severity[own] < severity[level]
      ? () => undefined
      : (message: string, fields?: LogFields) => writer.write(own, message, fields);
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (fields) => levels(level, writer.with(fields)),
  };
}

type Clean = (fields: LogFields | undefined) => Record<string, unknown>;

function jsonWriter(log: pino.Logger, clean: Clean): LineWriter {
  return {
    write(level, message, fields) {
      if (fields) log[level](clean(fields), cleanMessage(message));
      else log[level](cleanMessage(message));
    },
    with: (fields) => jsonWriter(log.child(clean(fields)), clean),
  };
}

function prettyWriter(
  clock: Clock,
  destination: LogDestination,
  colour: boolean,
  clean: Clean,
  bound: Readonly<Record<string, unknown>>,
): LineWriter {
  return {
    write(level, message, fields) {
      const all = { ...bound, ...clean(fields) };
      destination.write(
        formatPretty({ time: isoTime(clock.now()), level, message: cleanMessage(message), fields: all, colour }),
      );
    },
    with: (fields) => prettyWriter(clock, destination, colour, clean, { ...bound, ...clean(fields) }),
  };
}

/** Messages are nearly always literals in the code: each is looked at once. */
const knownMessages = new Map<string, string>();
const knownMessagesMax = 1_000;
const knownMessageCharsMax = 200;

function cleanMessage(message: string): string {
  const known = knownMessages.get(message);
  if (known !== undefined) return known;
  const clean = redactText(message);
  if (message.length <= knownMessageCharsMax) {
    if (knownMessages.size >= knownMessagesMax) knownMessages.clear();
    knownMessages.set(message, clean);
  }
  return clean;
}

/** Names that a line has already: a field of the same name would make it ambiguous, so it gets an underscore. */
const reserved = ['time', 'level', 'msg'] as const;

function withoutReserved(fields: Record<string, unknown>): Record<string, unknown> {
  let renamed = fields;
  for (const name of reserved) {
    if (!Object.hasOwn(fields, name)) continue;
    const { [name]: value, ...rest } = renamed;
    renamed = { ...rest, [`${name}_`]: value };
  }
  return renamed;
}

let isoMs = Number.NaN;
let iso = '';

function isoTime(nowMs: number): string {
  if (nowMs !== isoMs) {
    isoMs = nowMs;
    iso = new Date(nowMs).toISOString();
  }
  return iso;
}
