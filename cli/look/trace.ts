import { styleText } from 'node:util';
import { type ExitCode, exitCodes, Failure } from '../failure.ts';
import { createScreen } from '../screen.ts';
import { findSpans, relatedTo, requireId } from './find.ts';
import { keptRoot } from './kept-root.ts';
import { renderWaterfall, servicesOf, type Trace, tracesOf } from './waterfall.ts';

export interface TraceOptions {
  /** Traces that only read, too. */
  readonly all: boolean;
  readonly json: boolean;
  readonly dataDir?: string;
}

const widthDefault = 160;

/** Everything that was recorded of an order, of another id, or of a trace, from the files in the data directory. */
export async function traceCommand(id: string, { all, json, dataDir }: TraceOptions): Promise<ExitCode> {
  requireId(id);
  const screen = createScreen(json);
  const root = keptRoot(dataDir);
  const traces = tracesOf(findSpans(root, relatedTo(root, id).traceIds));
  if (traces.length === 0) throw new Failure(exitCodes.unavailable, `No trace of ${id} is kept: ${whyNone}`);
  // Whoever looks at an order leaves a trace that names it; how it came about is what is asked for.
  const shown = all || traces.every(isRead) ? traces : traces.filter((trace) => !isRead(trace));
  screen.result({ ok: true, id, traces: shown.map(asJson), others: traces.length - shown.length });
  if (json) return exitCodes.ok;
  const colour = process.stdout.isTTY === true;
  const width = process.stdout.columns ?? widthDefault;
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colour ? styleText(style, text, { stream: process.stdout }) : text;
  screen.say(shown.map((trace) => renderWaterfall(trace, { width, paint })).join('\n\n'));
  if (shown.length < traces.length)
    screen.say(`\nand ${traces.length - shown.length} traces that only read it: --all shows them`);
  return exitCodes.ok;
}

const whyNone =
  'it was not among those recorded (the first 5 a second of each kind, then the share of --trace-ratio), it is too old, or the id is wrong. Traces are written a quarter of a second after they end.';

const isRead = ({ root }: Trace): boolean => /^(GET|HEAD) /.test(root.name);

const asJson = (trace: Trace) => ({
  ...{ traceId: trace.traceId, name: trace.root.name, startMs: trace.root.startMs, durationMs: trace.root.durationMs },
  services: servicesOf(trace),
  criticalPath: trace.spans.flatMap(({ spanId, name }) => {
    const selfMs = trace.path.get(spanId);
    return selfMs === undefined ? [] : [{ spanId, name, selfMs }];
  }),
  spans: trace.spans,
});
