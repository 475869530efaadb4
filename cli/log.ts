import { writeSync } from 'node:fs';
import { type LogFields, type Logger, type LogLevel, systemClock } from '#kit/runtime';
import { createLogger } from '#kit/telemetry';
import { exitCodes, Failure } from './failure.ts';

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/**
 * The one logger of a process, on standard error: for people on a terminal, JSON lines otherwise. Everything that is
 * logged in the process comes through here, and so through the redaction.
 */
export function createLog(level: LogLevel, fields: LogFields = {}): Logger {
  const isTerminal = process.stderr.isTTY === true;
  return createLogger({
    clock: systemClock,
    level,
    fields,
    format: isTerminal ? 'pretty' : 'json',
    colour: isTerminal && process.stderr.hasColors(),
    destination: { write: (line) => writeLine(line) },
  });
}

function writeLine(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // Nobody reads any more, or the pipe is full: a log line is not worth a process.
  }
}

/** `HOLDFAST_LOG=debug|info|warn|error`; default warn, because a terminal is for people. */
export function logLevel(text: string | undefined): LogLevel {
  const known = levels.find((level) => level === (text || 'warn'));
  if (known) return known;
  throw new Failure(exitCodes.usage, `HOLDFAST_LOG is "${text}": give one of ${levels.join(', ')}, or leave it out.`);
}
