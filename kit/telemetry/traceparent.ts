/** The part of W3C Trace Context that travels: whose child the work is, and whether the trace is recorded. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

const pattern = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/;
const version00Length = 55;
/** The lowest bit of the flags says whether the trace is sampled. */
const oddDigits = '13579bdf';

/** Whether something from outside is the id of a span. */
export function isSpanId(value: unknown): value is string {
  return typeof value === 'string' && /^(?!0{16})[0-9a-f]{16}$/.test(value);
}

/** Undefined when the text is not valid: then a new trace begins, as the standard asks (W3C Trace Context §4.3). */
export function parseTraceparent(text: string): TraceContext | undefined {
  if (!pattern.test(text)) return undefined;
  if (text.length !== version00Length) {
    // Later versions may append fields after a dash; version 00 has none.
    if (text.startsWith('00') || text[version00Length] !== '-') return undefined;
  }
  return {
    traceId: text.slice(3, 35),
    spanId: text.slice(36, 52),
    sampled: oddDigits.includes(text[54] as string),
  };
}

export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** Whether what carries this is recorded, without looking at the rest. */
export function isSampled(traceparent: string | undefined): boolean {
  return traceparent !== undefined && oddDigits.includes(traceparent.charAt(54) || '0');
}
