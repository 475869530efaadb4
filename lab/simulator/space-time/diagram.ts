import type { TraceEvent } from '../trace.ts';
import { escapeHtml } from './html.ts';
import { type Life, livesOf } from './lives.ts';
import { lanesOf, type Row, rowAt } from './rows.ts';

const rowHeight = 17;
const top = 14;
const timeWidth = 78;
const laneWidthMin = 84;
const laneWidthMax = 190;
/** Of a letter in the name of a lane. */
const nameWidth = 7.6;
/** Labels of the last lane need room as well. */
const rightMargin = 200;
const pageWidth = 1_200;
const labelMax = 64;

export interface Diagram {
  /** Names of the lanes, to stay in sight. */
  readonly head: string;
  readonly body: string;
  readonly width: number;
}

interface Frame {
  readonly rows: readonly Row[];
  readonly width: number;
  readonly x: (node: string) => number;
  readonly y: (row: number) => number;
}

/**
 * A space-time diagram (Lamport 1978): nodes are lines from top to bottom, messages are arrows from where and when they
 * left to where and when they arrived. Rows are events, not milliseconds: a millisecond in which much happens gets the
 * room that it needs.
 */
export function drawDiagram(rows: readonly Row[]): Diagram {
  const lanes = lanesOf(rows);
  const room = (pageWidth - timeWidth - rightMargin) / Math.max(1, lanes.length);
  const longest = Math.max(...lanes.map((name) => name.length * nameWidth));
  const laneWidth = Math.round(Math.max(laneWidthMin, longest, Math.min(laneWidthMax, room)));
  const index = new Map(lanes.map((name, i) => [name, i]));
  const x = (node: string) => timeWidth + (index.get(node) ?? 0) * laneWidth + laneWidth / 2;
  const y = (row: number) => top + row * rowHeight;
  const width = timeWidth + lanes.length * laneWidth + rightMargin;
  const height = y(rows.length) + top;
  const frame: Frame = { rows, width, x, y };
  const bands = lanes.map((_, i) =>
    i % 2 === 0
      ? `<rect x="${timeWidth + i * laneWidth}" y="0" width="${laneWidth}" height="${height}" class="band"/>`
      : '',
  );
  const names = lanes.map(
    (name) => `<text x="${x(name)}" y="20" class="name ${kindOf(name)}">${escapeHtml(name)}</text>`,
  );
  const open = (h: number) => `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${h}"`;
  return {
    width,
    head: `${open(30)} aria-hidden="true">${names.join('')}</svg>`,
    body: [
      `${open(height)} role="img" aria-label="Space-time diagram">`,
      markers,
      ...bands,
      ...livesOf(rows, lanes).map((life) => drawLife(life, frame)),
      ...drawTimes(frame),
      ...rows.map((row, i) => drawRow(row, i, frame)),
      '</svg>',
    ].join('\n'),
  };
}

const markers = ['message', 'provider']
  .map(
    (kind) =>
      `<marker id="${kind}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto" class="head ${kind}"><path d="M0 0.5 8 4 0 7.5z"/></marker>`,
  )
  .join('');

const kindOf = (name: string): string => (name.startsWith('db-') ? 'database' : name === 'shoppers' ? 'client' : '');

function drawLife({ node, state, fromRow, toRow }: Life, { x, y }: Frame): string {
  return `<line x1="${x(node)}" x2="${x(node)}" y1="${y(fromRow)}" y2="${y(toRow)}" class="lane ${state}"/>`;
}

/** The time is written where it has moved by more than can be overlooked. */
function* drawTimes({ rows, y }: Frame): Iterable<string> {
  let last = Number.NEGATIVE_INFINITY;
  for (const [i, { event }] of rows.entries()) {
    if (event.atMs - last < 0.5) continue;
    last = event.atMs;
    yield `<text x="${timeWidth - 10}" y="${y(i) + 4}" class="time">${event.atMs.toFixed(1)}</text>`;
  }
}

function drawRow(row: Row, i: number, frame: Frame): string {
  const { event, statements } = row;
  const title = `<title>${escapeHtml(titleOf(event, statements))}</title>`;
  return `<g class="${event.kind}">${title}${shapesOf(event, statements, i, frame)}</g>`;
}

const titleOf = ({ atMs, text, detail, from, node }: TraceEvent, statements: readonly string[]): string =>
  `${atMs.toFixed(3)} ms  ${from ? `${from} → ` : ''}${node}\n${statements.length > 0 ? statements.join('\n') : `${text} ${detail ?? ''}`}`;

function shapesOf(event: TraceEvent, statements: readonly string[], i: number, frame: Frame): string {
  const { kind, node, from, sentAtMs, text } = event;
  const { x, y, rows, width } = frame;
  const at = y(i);
  if (node === '' || kind === 'check') {
    const line = `<line x1="${timeWidth}" x2="${width}" y1="${at}" y2="${at}" class="all"/>`;
    return line + label(timeWidth + 6, at - 1, text, 150);
  }
  if (kind === 'sql') {
    const words = statements.length === 1 ? (statements[0] as string) : `${statements.length} statements`;
    const line = `<line x1="${x(from ?? node)}" x2="${x(node)}" y1="${at}" y2="${at}"/>`;
    return `${line}<circle cx="${x(node)}" cy="${at}" r="2"/>${label(x(node) + 7, at, words.slice(0, 34))}`;
  }
  if (from !== undefined && sentAtMs !== undefined) {
    const startY = y(Math.min(rowAt(rows, sentAtMs), i));
    return kind === 'lost' ? lost(x(from), startY, x(node), at, text) : arrow(kind, x(from), startY, x(node), at, text);
  }
  const mark =
    kind === 'fault'
      ? `<path d="M${x(node)} ${at - 6}l6 6-6 6-6-6z"/>`
      : `<circle cx="${x(node)}" cy="${at}" r="${kind === 'client' ? 3.5 : 5}"/>`;
  return mark + label(x(node) + 10, at, text);
}

function arrow(kind: string, x1: number, y1: number, x2: number, y2: number, text: string): string {
  const marker = kind === 'provider' ? 'provider' : 'message';
  const line = `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" marker-end="url(#${marker})"/>`;
  // To the right of the arrow, so that it is not struck through; a slanted one leaves room beside its head.
  return line + label((x2 < x1 && y1 === y2 ? x1 : x2) + 7, y2, text);
}

/** Nobody knows where it was lost; it is drawn to half of its way. */
function lost(x1: number, y1: number, x2: number, y2: number, text: string): string {
  const [x, y] = [(x1 + x2) / 2, y2];
  const cross = `<path d="M${x - 4} ${y - 4}l8 8m0-8l-8 8"/>`;
  return `<line x1="${x1}" y1="${y1}" x2="${x}" y2="${y}"/>${cross}${label(x + 8, y, `${text} (lost)`)}`;
}

function label(x: number, y: number, text: string, max = labelMax): string {
  const short = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  return `<text x="${x}" y="${y + 3.5}">${escapeHtml(short)}</text>`;
}
