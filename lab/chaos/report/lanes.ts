import type { FaultClass } from '../faults/fault.ts';
import type { FaultRecord } from '../nemesis.ts';

export const classes: readonly FaultClass[] = ['process', 'network', 'disk', 'clock', 'dependency'];

/** A fault as a bar in a lane, its label where there is room: all in pixels of the chart. */
export interface Bar {
  readonly fault: FaultRecord;
  readonly from: number;
  readonly to: number;
  readonly label: { readonly text: string; readonly x: number; readonly anchor: 'start' | 'end' } | undefined;
}

export interface Lane {
  readonly class: FaultClass;
  readonly bars: readonly Bar[];
}

export interface LaneOptions {
  readonly x: (ms: number) => number;
  /** Labels stay left of this. */
  readonly rightEdge: number;
  /** Labels that need to be left of a bar stay right of this. */
  readonly leftEdge: number;
  readonly labelOf: (fault: FaultRecord) => string;
}

const letterWidth = 5.9;
const gap = 7;
const barWidthMin = 3;
/** Of more faults only the bars are drawn: their names would need more room than there is. */
const labelledMax = 80;

/** Each class has its own lanes; what would overlap, labels included, lies in different ones. */
export function lanesOf(faults: readonly FaultRecord[], options: LaneOptions): Lane[] {
  const isLabelled = faults.length <= labelledMax;
  return classes.flatMap((of) => {
    const lanes: { bars: Bar[]; endsAt: number }[] = [];
    for (const fault of faults.filter((each) => each.class === of)) {
      const bar = barOf(fault, options, isLabelled);
      const [startsAt, endsAt] = extentOf(bar);
      const free = lanes.find((lane) => lane.endsAt + gap <= startsAt);
      if (free) {
        free.bars.push(bar);
        free.endsAt = endsAt;
      } else lanes.push({ bars: [bar], endsAt });
    }
    return lanes.map(({ bars }): Lane => ({ class: of, bars }));
  });
}

function barOf(fault: FaultRecord, { x, rightEdge, leftEdge, labelOf }: LaneOptions, isLabelled: boolean): Bar {
  const from = x(fault.startMs);
  const to = Math.max(from + barWidthMin, x(fault.endMs));
  const text = labelOf(fault);
  const width = text.length * letterWidth;
  const bar = { fault, from, to, label: undefined };
  if (!isLabelled) return bar;
  if (to + gap + width <= rightEdge) return { ...bar, label: { text, x: to + gap - 2, anchor: 'start' } };
  if (from - gap - width >= leftEdge) return { ...bar, label: { text, x: from - gap + 2, anchor: 'end' } };
  return bar;
}

function extentOf({ from, to, label }: Bar): [number, number] {
  if (!label) return [from, to];
  const width = label.text.length * letterWidth;
  return label.anchor === 'start' ? [from, label.x + width] : [label.x - width, to];
}
