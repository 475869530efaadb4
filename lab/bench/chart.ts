import type { Bar } from './report.ts';

/** Columns in groups: contestants side by side, once for each number of clients. */
export interface ColumnsPanel {
  readonly kind: 'columns';
  readonly title: string;
  readonly groups: readonly string[];
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[];
}

/** One bar a line, with a mark where the limit is. */
export interface RowsPanel {
  readonly kind: 'rows';
  readonly title: string;
  readonly unit: string;
  readonly rows: readonly { readonly name: string; readonly value: number }[];
  readonly limit?: number;
  /** Is it good to reach the limit (`at-least`) or to stay under it? */
  readonly rule?: Bar['rule'];
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: readonly (ColumnsPanel | RowsPanel)[];
  readonly bars: readonly Bar[];
}

const width = 960;
const margin = 40;
const inner = width - 2 * margin;
/** Told apart by lightness as well as by hue: for print, and for those who see colours differently. */
const colours = ['#0b6e6e', '#d1495b', '#edae49', '#30638e', '#8d96a3', '#6d597a'];
const [ink, faint, line, good, bad] = ['#1d2b36', '#5c6b77', '#dde3e8', '#2a8f5b', '#c0392b'];

/** The chart as SVG that stands alone: no script, no web font, nothing to fetch. */
export function drawChart({ title, subtitle, panels, bars }: Chart): string {
  const parts: string[] = [
    text(margin, 48, title, { size: 24, weight: 600 }),
    text(margin, 72, subtitle, { fill: faint }),
  ];
  let y = 104;
  for (const panel of panels) {
    const drawn = panel.kind === 'columns' ? drawColumns(panel, y) : drawRows(panel, y);
    parts.push(drawn.svg);
    y += drawn.height + 36;
  }
  const verdicts = drawVerdicts(bars, y);
  parts.push(verdicts.svg);
  y += verdicts.height;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" role="img" aria-label="${escaped(title)}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13">`,
    `<rect width="${width}" height="${y}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

interface Drawn {
  readonly svg: string;
  readonly height: number;
}

const plotHeight = 210;

function drawColumns({ title, groups, series }: ColumnsPanel, top: number): Drawn {
  const parts = [
    text(margin, top, title, { weight: 600, size: 15 }),
    legend(
      series.map(({ name }) => name),
      top + 24,
    ),
  ];
  const [left, right, from] = [margin + 52, width - margin, top + 60];
  const bottom = from + plotHeight;
  const { max, step } = scaleFor(Math.max(...series.flatMap(({ values }) => values.filter(Number.isFinite)), 0));
  for (let value = 0; value <= max + step / 2; value += step) {
    const y = bottom - (value / max) * plotHeight;
    parts.push(
      `<line x1="${left}" x2="${right}" y1="${px(y)}" y2="${px(y)}" stroke="${value === 0 ? faint : line}"/>`,
      text(left - 8, y + 4, short(value), { anchor: 'end', fill: faint }),
    );
  }
  const groupWidth = (right - left) / groups.length;
  const columnWidth = Math.min(64, (groupWidth * 0.84) / series.length);
  groups.forEach((group, g) => {
    const middle = left + groupWidth * (g + 0.5);
    parts.push(text(middle, bottom + 20, group, { anchor: 'middle' }));
    series.forEach(({ name, values }, s) => {
      const value = values[g] ?? Number.NaN;
      if (!Number.isFinite(value)) return;
      const x = middle + (s - series.length / 2) * columnWidth;
      const height = (value / max) * plotHeight;
      parts.push(
        `<rect x="${px(x + 1)}" y="${px(bottom - height)}" width="${px(columnWidth - 2)}" height="${px(height)}" rx="2" fill="${colourOf(s)}"><title>${escaped(`${name}, ${group}: ${value}`)}</title></rect>`,
        text(x + columnWidth / 2, bottom - height - 5, short(value), { anchor: 'middle', size: 10.5, fill: faint }),
      );
    });
  });
  return { svg: parts.join('\n'), height: bottom + 24 - top };
}

function legend(names: readonly string[], y: number): string {
  let x = margin;
  return names
    .map((name, i) => {
      const svg = `<rect x="${px(x)}" y="${y - 10}" width="11" height="11" rx="2" fill="${colourOf(i)}"/>${text(x + 17, y, name)}`;
      x += 17 + name.length * 7.4 + 22;
      return svg;
    })
    .join('\n');
}

const rowHeight = 24;

function drawRows({ title, unit, rows, limit, rule = 'below' }: RowsPanel, top: number): Drawn {
  const parts = [text(margin, top, title, { weight: 600, size: 15 })];
  const labelWidth = 280;
  const [left, right] = [margin + labelWidth, width - margin - 70];
  const max = Math.max(...rows.map(({ value }) => value), limit ?? 0) * 1.05 || 1;
  const xOf = (value: number) => left + (value / max) * (right - left);
  const from = top + (limit === undefined ? 16 : 34);
  const bottom = from + rows.length * rowHeight;
  if (limit !== undefined) {
    const x = px(xOf(limit));
    parts.push(
      `<line x1="${x}" x2="${x}" y1="${from - 4}" y2="${bottom}" stroke="${ink}" stroke-dasharray="4 3"/>`,
      text(xOf(limit), from - 9, `bar: ${short(limit)} ${unit}`, { anchor: 'middle', size: 12 }),
    );
  }
  rows.forEach(({ name, value }, i) => {
    const y = from + i * rowHeight;
    const ok = limit === undefined || (rule === 'below' ? value < limit : value >= limit);
    parts.push(
      text(left - 12, y + 15, name, { anchor: 'end' }),
      `<rect x="${left}" y="${y + 3}" width="${px(Math.max(1, xOf(value) - left))}" height="${rowHeight - 8}" rx="2" fill="${ok ? colours[0] : bad}"/>`,
      text(xOf(value) + 8, y + 15, `${short(value)} ${unit}`, { size: 12, fill: faint, halo: true }),
    );
  });
  return { svg: parts.join('\n'), height: bottom - top };
}

function drawVerdicts(bars: readonly Bar[], top: number): Drawn {
  if (bars.length === 0) return { svg: '', height: 0 };
  const parts = [text(margin, top, 'Bars and goals', { weight: 600, size: 15 })];
  bars.forEach((bar, i) => {
    const y = top + 26 + i * 22;
    const fill = bar.ok ? good : bar.kind === 'goal' ? faint : bad;
    const verdict = bar.ok ? 'reached' : bar.kind === 'goal' ? 'not yet' : 'missed';
    parts.push(
      `<circle cx="${margin + 6}" cy="${y - 4}" r="5" fill="${fill}"/>`,
      text(margin + 20, y, bar.name),
      text(margin + inner * 0.55, y, `${short(bar.value)} ${bar.unit}`, { anchor: 'end', weight: 600 }),
      text(margin + inner * 0.58, y, `${bar.kind}: ${sign(bar)} ${short(bar.limit)} ${bar.unit}`, { fill: faint }),
      text(margin + inner, y, verdict, { anchor: 'end', fill, weight: 600 }),
    );
  });
  return { svg: parts.join('\n'), height: 26 + bars.length * 22 + 12 };
}

export const sign = ({ rule }: Pick<Bar, 'rule'>): string => (rule === 'at-least' ? '≥' : '<');

/** A round number of round steps that reaches over the largest value. */
function scaleFor(largest: number): { readonly max: number; readonly step: number } {
  const rough = (largest || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  return { max: Math.ceil((largest || 1) / step) * step, step };
}

/** Three figures are all that a measurement is good for. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return Number(value.toFixed(digits)).toLocaleString('en-US', { maximumFractionDigits: digits });
}

interface TextStyle {
  readonly size?: number;
  readonly weight?: number;
  readonly fill?: string;
  readonly anchor?: 'start' | 'middle' | 'end';
  /** A rim of the background's colour, for text that lies over lines. */
  readonly halo?: boolean;
}

function text(
  x: number,
  y: number,
  content: string,
  { size, weight, fill = ink, anchor, halo = false }: TextStyle = {},
): string {
  const attributes = [
    size === undefined ? '' : ` font-size="${size}"`,
    weight === undefined ? '' : ` font-weight="${weight}"`,
    anchor === undefined ? '' : ` text-anchor="${anchor}"`,
    halo ? ' paint-order="stroke" stroke="#ffffff" stroke-width="4"' : '',
  ].join('');
  return `<text x="${px(x)}" y="${px(y)}" fill="${fill}"${attributes}>${escaped(content)}</text>`;
}

const px = (value: number): string => String(Math.round(value * 10) / 10);
const colourOf = (index: number): string => colours[index % colours.length] as string;
const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (content: string): string => content.replaceAll(/[&<>"]/g, (sign) => escapes[sign] as string);
