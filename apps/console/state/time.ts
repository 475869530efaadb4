import { apart } from '#ui/format.ts';
import { idTimeMs } from '../../../contracts/ids.ts';

const locale = navigator.language || 'en';
const clockFormat = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
const shortFormat = new Intl.DateTimeFormat(locale, { dateStyle: 'short', timeStyle: 'medium' });

/** Date and time to the second. */
export const shortMoment = (timestamp: string | number): string => apart(shortFormat.format(new Date(timestamp)));
const minuteFormat = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
export const shortTime = (timestamp: string | number): string => apart(minuteFormat.format(new Date(timestamp)));
export const clockTime = (timestamp: string | number): string => apart(clockFormat.format(new Date(timestamp)));

/** `0.8 ms`, `12 ms`, `1.25 s`, `3 min 20 s`. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(2)} s`;
  const seconds = Math.round(ms / 1_000);
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor((seconds % 3_600) / 60)];
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

/** When an id was made. */
export function timeOfId(id: string): string | undefined {
  const ms = idTimeMs(id);
  return ms !== undefined && ms > 0 && ms < 8.64e15 ? new Date(ms).toISOString() : undefined;
}

/** For an `<input type="datetime-local">`: on this browser's clock, to the minute. */
export function toLocalInput(timestamp: string | undefined): string {
  if (timestamp === undefined) return '';
  const time = new Date(timestamp);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The other way round; undefined of an empty field. */
export function fromLocalInput(text: string): string | undefined {
  const time = new Date(text);
  return text === '' || Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
