import { writeSync } from 'node:fs';
import type { LogFields, Logger, LogLevel } from '#kit/runtime';

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
const secretName = /pass(word|wd)?|secret|token|authorization|cookie|card|cvc|pan$|api_?key/i;

/** JSON lines on standard error, from `level` up. For the command itself; services bring the kit's telemetry. */
export function createLog(level: LogLevel, fields: LogFields = {}): Logger {
  const write = (line: LogLevel, message: string, more: LogFields = {}) => {
    if (levels.indexOf(line) < levels.indexOf(level)) return;
    const text = JSON.stringify({ time: new Date().toISOString(), level: line, ...fields, message, ...more }, guard);
    try {
      writeSync(2, `${text}\n`);
    } catch {
      // Nobody reads any more, or the pipe is full: a log line is not worth a process.
    }
  };
  return {
    debug: (message, more) => write('debug', message, more),
    info: (message, more) => write('info', message, more),
    warn: (message, more) => write('warn', message, more),
    error: (message, more) => write('error', message, more),
    with: (more) => createLog(level, { ...fields, ...more }),
  };
}

function guard(name: string, value: unknown): unknown {
  if (secretName.test(name)) return '***';
  return value instanceof Error ? value.message : value;
}

/** `HOLDFAST_LOG=debug|info|warn|error`; default warn, because a terminal is for people. */
export function logLevel(text: string | undefined): LogLevel {
  return levels.find((level) => level === text) ?? 'warn';
}
