import { type CriticalPath, criticalPath } from './critical-path.ts';
import type { KeptSpan } from './find.ts';

export interface Trace {
  readonly traceId: string;
  readonly root: KeptSpan;
  readonly spans: readonly KeptSpan[];
  readonly path: CriticalPath;
}

export interface WaterfallOptions {
  /** Of the terminal, in characters. */
  readonly width: number;
  readonly paint: (style: 'bold' | 'dim' | 'red' | 'cyan', text: string) => string;
}

/** The spans by their traces, the oldest first. */
export function tracesOf(spans: readonly KeptSpan[]): Trace[] {
  return [...Map.groupBy(spans, ({ traceId }) => traceId)].map(([traceId, own]) => {
    const ids = new Set(own.map(({ spanId }) => spanId));
    // What stands before the gateway, or itself, may have forgotten its part: then what is left of the tree begins with its earliest span.
    const tops = own.filter(({ parentSpanId }) => parentSpanId === undefined || !ids.has(parentSpanId));
    const root = tops.find(({ parentSpanId }) => parentSpanId === undefined) ?? tops[0] ?? (own[0] as KeptSpan);
    return { traceId, root, spans: own, path: criticalPath(root, own) };
  });
}

export const servicesOf = ({ spans }: Trace): string[] => [
  ...new Set(spans.map(({ attributes, process }) => String(attributes['service'] ?? process))),
];

const barWidth = 30;
/** Deeper than calls go: a circle, or a mistake. */
const depthMax = 60;

/** A trace for a terminal: when each span began and how long it took, as a bar and in numbers, and what held it up. */
export function renderWaterfall(trace: Trace, options: WaterfallOptions): string {
  const { root, spans, path } = trace;
  const { paint, width } = options;
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const children = Map.groupBy(spans, ({ spanId, parentSpanId = '' }) =>
    spanId !== root.spanId && ids.has(parentSpanId) ? parentSpanId : '',
  );
  const startMs = Math.min(...spans.map((span) => span.startMs));
  const totalMs = Math.max(...spans.map((span) => span.startMs + span.durationMs)) - startMs;
  const lines: string[] = [];

  function row(span: KeptSpan, depth: number): void {
    const isOnPath = path.has(span.spanId);
    const from = `${(span.startMs - startMs).toFixed(1)}`.padStart(8);
    const took = `${span.durationMs.toFixed(1)}`.padStart(8);
    const bar = barOf(span.startMs - startMs, span.durationMs, totalMs, isOnPath);
    const text = cut(
      `${'  '.repeat(depth)}${span.name}${notesOf(span)}`,
      width - from.length - took.length - barWidth - 7,
    );
    const name = span.error === undefined ? (isOnPath ? paint('bold', text) : text) : paint('red', text);
    lines.push(`${paint('dim', from)} ${took} ms ${paint(isOnPath ? 'cyan' : 'dim', bar)} ${name}`);
    if (depth < depthMax) for (const child of children.get(span.spanId) ?? []) row(child, depth + 1);
  }

  row(root, 0);
  for (const top of children.get('') ?? []) if (top !== root) row(top, 0);
  return [headOf(trace, totalMs, options), '', ...lines, '', pathOf(trace, options)].join('\n');
}

function headOf(trace: Trace, totalMs: number, { paint }: WaterfallOptions): string {
  const { root, spans, traceId } = trace;
  const at = new Date(root.startMs).toISOString();
  const failed = spans.filter(({ error }) => error !== undefined).length;
  const whole = totalMs > root.durationMs + 0.05 ? `, all of it ${totalMs.toFixed(1)} ms` : '';
  return [
    `${paint('bold', root.name)}  ${root.durationMs.toFixed(1)} ms${whole}  ${at}`,
    `trace ${traceId}  ${spans.length} spans${failed > 0 ? paint('red', `, ${failed} failed`) : ''}  ${servicesOf(trace).join(', ')}`,
  ].join('\n');
}

const pathShownMax = 5;

function pathOf({ root, spans, path }: Trace, { paint }: WaterfallOptions): string {
  const shares = spans
    .map((span) => ({ span, ms: path.get(span.spanId) ?? 0 }))
    .filter(({ ms }) => ms > 0)
    .sort((a, b) => b.ms - a.ms)
    .slice(0, pathShownMax)
    .map(
      ({ span, ms }) =>
        `${nameAmong(spans, span)} ${ms.toFixed(1)} ms (${Math.round((100 * ms) / (root.durationMs || 1))} %)`,
    );
  return `${paint('cyan', '━')} critical path, by what took longest itself: ${shares.join(', ')}`;
}

/** Hops that pass a request on bear one name: then with whose it is. */
function nameAmong(spans: readonly KeptSpan[], { name, attributes }: KeptSpan): string {
  const { service } = attributes;
  const isShared = spans.some((other) => other.name === name && other.attributes['service'] !== service);
  return isShared ? `${name} of ${service}` : name;
}

function barOf(offsetMs: number, durationMs: number, totalMs: number, isOnPath: boolean): string {
  const scale = totalMs > 0 ? barWidth / totalMs : 0;
  const from = Math.min(Math.floor(offsetMs * scale), barWidth - 1);
  const length = Math.max(1, Math.min(Math.round(durationMs * scale), barWidth - from));
  return `${' '.repeat(from)}${(isOnPath ? '━' : '─').repeat(length)}`.padEnd(barWidth);
}

/** What is out of the ordinary: a second attempt, a refusal, an error; and where it ran. */
function notesOf({ attributes, error, process }: KeptSpan): string {
  const { service, attempt, refused, problem } = attributes;
  const status = attributes['http.response.status_code'];
  const where = service === undefined || service === process ? process : `${service} in ${process}`;
  return [
    `  ${where}`,
    ...(typeof attempt === 'number' && attempt > 1 ? [` attempt ${attempt}`] : []),
    ...(status === undefined ? [] : [` ${status}`]),
    ...(refused === undefined ? [] : [` refused: ${refused}`]),
    ...(problem === undefined ? [] : [` ${problem}`]),
    ...(error === undefined ? [] : [`  ✗ ${error}`]),
  ].join('');
}

/** One line of a terminal; what came from outside must not move its cursor. */
function cut(text: string, lengthMax: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const plain = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  const max = Math.max(lengthMax, 20);
  return plain.length > max ? `${plain.slice(0, max - 1)}…` : plain;
}
