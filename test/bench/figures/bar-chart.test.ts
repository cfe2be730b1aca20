import { expect, test } from '@jest/globals';
import { type Bar, barChart } from './bar-chart.js';

const SURE = { median: 50, least: 50, most: 50 };

function chart(...bars: readonly Bar[]): string {
  return barChart({ title: 'A & B', command: 'make', bars, format: (value) => value.toFixed(0) });
}

function widths(svg: string): number[] {
  return [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
}

test('a bar is as long as its value, and the longest run of all fits', () => {
  const [half, whole] = widths(
    chart(
      { label: 'half', value: SURE, side: 'others' },
      { label: 'whole', value: { median: 100, least: 90, most: 125 }, side: 'ours' },
    ),
  );
  expect(whole).toBe(2 * (half ?? 0));
  expect(whole).toBe(0.8 * (760 - 300 - 90));
});

test('what costs less than nothing has no bar', () => {
  const below = { median: -3, least: -5, most: 1 };
  expect(
    widths(chart({ label: 'below', value: below, side: 'ours' }, { label: 'x', value: SURE, side: 'others' }))[0],
  ).toBe(0);
});

test('signs that mean something to XML are written otherwise', () => {
  expect(chart({ label: '<b>', value: SURE, side: 'ours' })).toContain('&lt;b>');
  expect(chart({ label: 'x', value: SURE, side: 'ours' })).toContain('A &amp; B');
});
