import type { LogFields, Logger, LogLevel } from '#kit/runtime';

/**
 * Two logs as one: what a person is shown, and what is kept. Of a request that is not traced (`sampled: false`) only what
 * went wrong is kept: its ordinary lines would cost more than all else that is recorded.
 */
export function createTee(shown: Logger, kept: Logger): Logger {
  const always = (level: LogLevel) => (message: string, fields?: LogFields) => {
    shown[level](message, fields);
    kept[level](message, fields);
  };
  const ifSampled = (level: LogLevel) => (message: string, fields?: LogFields) => {
    shown[level](message, fields);
    if (fields?.['sampled'] !== false) kept[level](message, fields);
  };
  return {
    debug: ifSampled('debug'),
    info: ifSampled('info'),
    warn: always('warn'),
    error: always('error'),
    with: (fields) => createTee(shown.with(fields), kept.with(fields)),
  };
}
