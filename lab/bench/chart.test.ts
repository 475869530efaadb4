import { expect, test } from 'vitest';
import { drawChart, short } from './chart.ts';
import { barOf } from './report.ts';

const chart = {
  title: 'Orders & <more>',
  subtitle: 'on a machine',
  panels: [
    {
      kind: 'columns' as const,
      title: 'a second',
      groups: ['1', '32'],
      series: [
        { name: 'ours', values: [100, 400] },
        { name: 'theirs', values: [200, Number.NaN] },
      ],
    },
    { kind: 'rows' as const, title: 'p99', unit: 'ms', limit: 50, rows: [{ name: 'typo', value: 60 }] },
  ],
  bars: [barOf({ name: 'p99', value: 60, limit: 50, unit: 'ms', rule: 'below' })],
};

test('columns are as high as their values, and one that was not measured is not drawn', () => {
  const svg = drawChart(chart);
  const heights = [...svg.matchAll(/height="([\d.]+)" rx="2" fill="[^"]+"><title>/g)].map((match) => Number(match[1]));
  const [first = 0, second = 0, third = 0] = heights;
  expect(heights).toHaveLength(3);
  expect(second / first).toBeCloseTo(2, 1);
  expect(third / first).toBeCloseTo(4, 1);
});

test('text is escaped and every element is closed', () => {
  const svg = drawChart(chart);
  expect(svg).toContain('Orders &amp; &lt;more&gt;');
  const open: string[] = [];
  for (const [, closing, name, selfClosing] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (closing) expect(open.pop()).toBe(name);
    else if (!selfClosing) open.push(name as string);
  }
  expect(open).toEqual([]);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
});

test('a missed bar says so', () => {
  expect(drawChart(chart)).toContain('>missed<');
});

test('a figure has three digits', () => {
  expect([1234.5, 99.94, 2.714, Number.NaN].map(short)).toEqual(['1,235', '99.9', '2.71', '–']);
});
