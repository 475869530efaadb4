import { box, type Edge, type Point } from './topology.ts';

/** A label on the way from one service to another: its middle and its size. */
export interface Label extends Point {
  readonly edge: Edge;
  readonly width: number;
  readonly height: number;
}

/** Where along the last stretch a label may stand, the best first: near the callee, or further back, where ways are apart. */
const places = [0.64, 0.5, 0.36, 0.76, 0.24] as const;
/** A label that finds no place on its way is moved off it, up or down, step by step. */
const stepPx = 8;
const stepsMax = 24;
const clearancePx = 3;

/** Puts labels on ways, each where it hides no other, in the order of the ways, and within the height of the picture. */
export function labelsOf(
  edges: readonly Edge[],
  mapHeight: number,
  sizeOf: (edge: Edge) => Pick<Label, 'width' | 'height'>,
): Label[] {
  const placed: Label[] = [];
  for (const edge of edges) {
    const size = sizeOf(edge);
    const candidates = places.map((t) => ({ edge, ...size, ...pointAt(edge, t, size) }));
    const first = candidates[0] as Label;
    const moved = Array.from({ length: stepsMax * 2 }, (_, i) => {
      const away = (1 + (i >> 1)) * stepPx;
      return { ...first, y: first.y + (i % 2 === 0 ? -away : away) };
    });
    const isFree = (label: Label) =>
      label.y >= label.height / 2 &&
      label.y <= mapHeight - label.height / 2 &&
      placed.every((other) => !overlap(label, other));
    placed.push([...candidates, ...moved].find(isFree) ?? first);
  }
  return placed;
}

export const overlap = (a: Label, b: Label): boolean =>
  Math.abs(a.x - b.x) < (a.width + b.width) / 2 + clearancePx &&
  Math.abs(a.y - b.y) < (a.height + b.height) / 2 + clearancePx;

/** On the last stretch of a way, kept between its columns; above one that is straight, or nothing of it would be seen. */
function pointAt({ from, to, via }: Edge, t: number, { width, height }: Pick<Label, 'width' | 'height'>): Point {
  const before = via.at(-1);
  const [y1, y2] = [before?.y ?? from.y + box.height / 2, to.y + box.height / 2];
  if (to.x <= from.x) return { x: Math.max(from.x, to.x) + box.width + 46, y: y1 + (y2 - y1) * (t - 0.14) };
  const [x1, x2] = [(before ?? from).x + box.width, to.x];
  const middle = (x1 + x2) / 2;
  if (y1 === y2) return { x: middle, y: y1 - height / 2 - 6 };
  const bend = Math.max(40, (x2 - x1) / 2);
  const at = (a: number, b: number, c: number, d: number) =>
    (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t ** 2 * c + t ** 3 * d;
  const room = Math.max(0, (x2 - x1 - width) / 2);
  const x = at(x1, x1 + bend, x2 - bend, x2);
  return { x: Math.min(middle + room, Math.max(middle - room, x)), y: at(y1, y1, y2, y2) };
}
