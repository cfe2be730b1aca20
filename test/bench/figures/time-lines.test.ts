import { expect, test } from '@jest/globals';
import { type TimeLine, timeLines } from './time-lines.js';

const LINE: TimeLine = { label: 'a balancer dies', silence: 400, marks: [], outcome: '0 of 60 broke' };

function draw(...lines: readonly Partial<TimeLine>[]): string {
  return timeLines({
    title: 'T',
    command: 'make',
    detection: 300,
    lines: lines.map((line) => ({ ...LINE, ...line })),
  });
}

function placeOf(sign: string, drawn: string): number {
  return Number(new RegExp(`<text x="([\\d.]+)"[^>]*>${sign}</text>`).exec(drawn)?.[1]);
}

test('what is later is further to the right, and all is within the picture', () => {
  const drawn = draw({
    marks: [
      { name: 'steady', at: 700 },
      { name: 'converged', at: 30_000 },
    ],
  });
  expect(placeOf('●', drawn)).toBeLessThan(placeOf('◆', drawn));
  expect(placeOf('◆', drawn)).toBe(760 - 110);
});

test('a longer silence has a longer bar', () => {
  const widths = [...draw({ silence: 100 }, { silence: 900 }).matchAll(/<rect [^>]*width="([\d.]+)"/g)];
  const [short, long] = widths.map(([, width]) => Number(width));
  expect(short).toBeGreaterThan(0);
  expect(long).toBeGreaterThan(short ?? Infinity);
});
