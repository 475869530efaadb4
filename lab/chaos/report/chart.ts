import type { FaultRecord } from '../nemesis.ts';
import type { Operation } from '../workload.ts';
import { escapeHtml } from './html.ts';
import { type Lane, lanesOf } from './lanes.ts';

export interface Run {
  readonly operations: readonly Operation[];
  readonly faults: readonly FaultRecord[];
  readonly forMs: number;
}

/** `wide` for a screen, `narrow` for a telephone: the page shows the one that fits. */
export type ChartShape = 'wide' | 'narrow';

const shapes = {
  wide: { width: 1140, left: 84, latency: 250, rate: 56, dot: 3.4, label: nameAndTarget },
  narrow: { width: 430, left: 62, latency: 210, rate: 44, dot: 2.8, label: nameOnly },
} as const;

const right = 12;
const laneHeight = 17;
const panelGap = 34;
/** Points drawn; of more, the slowest of each moment are kept, for they are what one looks for. */
const pointsMax = 8_000;
const bucketsMax = 150;
const latencyMs = { least: 1, most: 20_000 } as const;

type Kind = 'answered' | 'later' | 'lost';
const kinds: readonly Kind[] = ['answered', 'later', 'lost'];

interface Frame {
  readonly width: number;
  readonly left: number;
  readonly endMs: number;
  readonly bucketMs: number;
  readonly x: (ms: number) => number;
}

/** A run as a picture: how long calls took, how many there were, and below them what was broken when. */
export function drawChart(run: Run, shape: ChartShape): string {
  const { width, left, latency, rate, dot, label } = shapes[shape];
  const { operations, faults, forMs } = run;
  const endMs = operations.reduce((last, each) => Math.max(last, each.endMs), forMs);
  const x = (ms: number) => left + (Math.min(ms, endMs) / endMs) * (width - left - right);
  const frame: Frame = { width, left, endMs, bucketMs: Math.max(500, endMs / bucketsMax), x };
  const lanes = lanesOf(faults, { x, rightEdge: width - right, leftEdge: left, labelOf: label });
  const latencyTop = 26;
  const rateTop = latencyTop + latency + panelGap;
  const lanesTop = rateTop + rate + panelGap;
  const height = lanesTop + Math.max(1, lanes.length) * laneHeight + 26;
  const parts = [
    drawTimes(frame, height, shape === 'wide' ? 14 : 6),
    drawShades(lanes, latencyTop, latency),
    drawLatency(frame, operations, latencyTop, latency, dot),
    drawRate(frame, run, rateTop, rate),
    drawLanes(frame, lanes, lanesTop),
    drawHealed(frame, faults, latencyTop, height),
  ];
  return `<svg class="${shape}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Latency and rate of calls over time, with the faults" font-size="11">${parts.join('\n')}</svg>`;
}

function drawTimes({ endMs, x, width }: Frame, height: number, ticksMax: number): string {
  const endSec = endMs / 1_000;
  const step =
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600].find((each) => endSec / each <= ticksMax) ?? 7_200;
  const ticks = Array.from({ length: Math.floor(endSec / step) + 1 }, (_, index) => index * step);
  return ticks
    .map((second) => {
      const at = px(x(second * 1_000));
      const anchor = Number(at) > width - 24 ? 'end' : 'middle';
      const text = step >= 60 ? `${second / 60} min` : `${second} s`;
      return `<line class="grid" x1="${at}" x2="${at}" y1="26" y2="${height - 18}"/><text x="${at}" y="${height - 5}" text-anchor="${anchor}">${text}</text>`;
    })
    .join('');
}

/** Faint behind the points, so that one sees what was going on when they rise. */
function drawShades(lanes: readonly Lane[], top: number, height: number): string {
  return lanes
    .flatMap(({ class: of, bars }) =>
      bars.map(
        ({ fault, from, to }) =>
          `<g><title>${escapeHtml(describe(fault))}</title><rect class="shade ${of}" x="${px(from)}" y="${top}" width="${px(to - from)}" height="${height}"/></g>`,
      ),
    )
    .join('');
}

function drawLatency(frame: Frame, operations: readonly Operation[], top: number, height: number, dot: number): string {
  const { x, left, width } = frame;
  const [low, high] = [Math.log10(latencyMs.least), Math.log10(latencyMs.most)];
  const y = (ms: number) => {
    const inside = Math.min(latencyMs.most, Math.max(latencyMs.least, ms));
    return top + (1 - (Math.log10(inside) - low) / (high - low)) * height;
  };
  const levels = [1, 10, 100, 1_000, 10_000].map((ms) => {
    const at = px(y(ms));
    const text = ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`;
    return `<line class="grid" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/><text x="${left - 7}" y="${px(y(ms) + 4)}" text-anchor="end">${text}</text>`;
  });
  const drawn = slowest(operations, frame.endMs);
  const points = kinds.map((kind) => {
    const dots = drawn.filter((operation) => kindOf(operation) === kind);
    const path = dots.map(({ endMs, reply }) => `M${px(x(endMs))} ${px(y(reply.tookMs))}h0`).join('');
    return path === ''
      ? ''
      : `<path class="points ${kind}" stroke-width="${kind === 'answered' ? dot : dot + 1}" d="${path}"/>`;
  });
  const medians = bucketsOf(frame, operations).map(({ middleMs, within }, index, all) => {
    if (within.length === 0) return '';
    // Where nothing was answered the line is broken, for there was no median.
    const isFirst = (all[index - 1]?.within.length ?? 0) === 0;
    return `${isFirst ? 'M' : 'L'}${px(x(middleMs))} ${px(y(medianOf(within)))}`;
  });
  const title = `<text class="title" x="${left}" y="${top - 9}">How long a call took</text>`;
  return [title, ...levels, ...points, `<path class="median" d="${medians.join('')}"/>`].join('');
}

/** The scale is that of the time with faults: afterwards every order is repeated, without a pause. */
function drawRate(frame: Frame, { operations, faults }: Run, top: number, height: number): string {
  const { x, left, width, bucketMs } = frame;
  const healedMs = healedAt(faults);
  const perSec = (count: number) => count / (bucketMs / 1_000);
  const buckets = bucketsOf(frame, operations);
  const most = Math.max(1, ...buckets.map((each) => (each.middleMs > healedMs ? 0 : perSec(each.within.length))));
  const bars = buckets.map(({ middleMs, within }) => {
    let y = top + height;
    const from = x(middleMs - bucketMs / 2);
    const columnWidth = Math.max(1, x(middleMs + bucketMs / 2) - from - 1);
    return kinds
      .map((kind) => {
        const count = within.filter((each) => kindOf(each) === kind).length;
        const size = Math.min((perSec(count) / most) * height, y - top);
        y -= size;
        return size === 0
          ? ''
          : `<rect class="${kind}" x="${px(from)}" y="${px(y)}" width="${px(columnWidth)}" height="${px(size)}"/>`;
      })
      .join('');
  });
  const axis = [0, most].map((value) => {
    const at = px(top + height - (value / most) * height);
    return `<line class="grid" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/><text x="${left - 7}" y="${px(Number(at) + 4)}" text-anchor="end">${Math.round(value)}</text>`;
  });
  return [`<text class="title" x="${left}" y="${top - 9}">Calls a second</text>`, ...axis, ...bars].join('');
}

function drawLanes({ left }: Frame, lanes: readonly Lane[], top: number): string {
  const rows = lanes.map(({ class: of, bars }, index) => {
    const y = top + index * laneHeight;
    const isFirst = lanes[index - 1]?.class !== of;
    const name = isFirst
      ? `<text class="of ${of}" x="${left - 7}" y="${y + 10}" text-anchor="end">${of === 'dependency' ? 'depend.' : of}</text>`
      : '';
    const drawn = bars.map(({ fault, from, to, label }) => {
      const text = label
        ? `<text x="${px(label.x)}" y="${y + 10}" text-anchor="${label.anchor}">${escapeHtml(label.text)}</text>`
        : '';
      return `<g><title>${escapeHtml(describe(fault))}</title><rect class="${of}" x="${px(from)}" y="${y + 1}" width="${px(to - from)}" height="${laneHeight - 6}" rx="3"/>${text}</g>`;
    });
    return name + drawn.join('');
  });
  return `<text class="title" x="${left}" y="${top - 9}">What was broken</text>${rows.join('')}`;
}

function drawHealed({ x, width }: Frame, faults: readonly FaultRecord[], top: number, height: number): string {
  if (faults.length === 0) return '';
  const at = x(healedAt(faults));
  const isNearEdge = at > width - 70;
  return `<line class="healed" x1="${px(at)}" x2="${px(at)}" y1="${top}" y2="${height - 18}"/><text class="healed" x="${px(at + (isNearEdge ? -5 : 5))}" y="${top - 9}" text-anchor="${isNearEdge ? 'end' : 'start'}">all healed</text>`;
}

const healedAt = (faults: readonly FaultRecord[]): number => Math.max(0, ...faults.map((fault) => fault.endMs));

/** Without an answer, with one that says to come again, or with one that says how it is. */
export function kindOf({ reply }: Operation): Kind {
  if (reply.kind === 'lost') return 'lost';
  return reply.status >= 500 || [408, 409, 429].includes(reply.status) ? 'later' : 'answered';
}

function bucketsOf({ endMs, bucketMs }: Frame, operations: readonly Operation[]) {
  const buckets = Array.from({ length: Math.ceil(endMs / bucketMs) }, (_, index) => ({
    middleMs: (index + 0.5) * bucketMs,
    within: [] as Operation[],
  }));
  for (const operation of operations) {
    buckets[Math.min(buckets.length - 1, Math.floor(operation.endMs / bucketMs))]?.within.push(operation);
  }
  return buckets;
}

function medianOf(operations: readonly Operation[]): number {
  const tookMs = operations.map(({ reply }) => reply.tookMs).sort((a, b) => a - b);
  return tookMs[Math.floor(tookMs.length / 2)] ?? 0;
}

function slowest(operations: readonly Operation[], endMs: number): readonly Operation[] {
  if (operations.length <= pointsMax) return operations;
  const perMoment = 8;
  const moments = new Map<number, Operation[]>();
  for (const operation of operations) {
    const moment = Math.floor((operation.endMs / endMs) * (pointsMax / perMoment));
    const found = moments.get(moment);
    if (found) found.push(operation);
    else moments.set(moment, [operation]);
  }
  return [...moments.values()].flatMap((all) =>
    all.sort((a, b) => b.reply.tookMs - a.reply.tookMs).slice(0, perMoment),
  );
}

function nameAndTarget({ fault, target }: FaultRecord): string {
  return `${fault} ${target}`;
}

function nameOnly({ fault }: FaultRecord): string {
  return fault;
}

function describe({ fault, target, detail, startMs, endMs, failed }: FaultRecord): string {
  const times = `${(startMs / 1_000).toFixed(1)} to ${(endMs / 1_000).toFixed(1)} s`;
  return [`${fault} ${target}`, detail, times, failed].filter(Boolean).join(', ');
}

const px = (value: number): string => String(Math.round(value * 10) / 10);
