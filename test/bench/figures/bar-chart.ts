/** A bar chart as SVG. Pure. */
import type { Typical } from '../data-plane/results.js';
import { escape, round, svg, WIDTH } from './svg.js';

/** Which colour a bar has. */
export type Side = 'ours' | 'others' | 'measure';

export interface Bar {
  readonly label: string;
  readonly value: Typical;
  readonly side: Side;
}

export interface BarChart {
  readonly title: string;
  /** What remakes it. */
  readonly command: string;
  readonly bars: readonly Bar[];
  /** How a value is written. */
  readonly format: (value: number) => string;
}

const LABELS = 300;
const VALUES = 90;
const TOP = 44;
const ROW = 28;
const THICKNESS = 16;
const BOTTOM = 34;

/** Bars from the median, and a line from the least to the most. */
export function barChart({ title, command, bars, format }: BarChart): string {
  const longest = Math.max(...bars.map(({ value }) => value.most));
  const scale = (value: number) => Math.max(0, value / longest) * (WIDTH - LABELS - VALUES);
  const height = TOP + bars.length * ROW + BOTTOM;
  const rows = bars.map(({ label, value, side }, index) => {
    const top = TOP + index * ROW;
    const middle = top + THICKNESS / 2;
    const text = middle + 4.5;
    const [least, most] = [LABELS + scale(value.least), LABELS + scale(value.most)].map(round);
    return [
      `<text x="${LABELS - 10}" y="${text}" text-anchor="end">${escape(label)}</text>`,
      `<rect class="${side}" x="${LABELS}" y="${top}" width="${round(scale(value.median))}" height="${THICKNESS}" rx="2"/>`,
      `<line class="spread" x1="${least}" x2="${most}" y1="${middle}" y2="${middle}"/>`,
      `<text x="${round(Math.max(LABELS + scale(value.median), most ?? 0) + 8)}" y="${text}">${escape(format(value.median))}</text>`,
    ].join('\n');
  });
  const note = `median of the runs; the line is from the least to the most · ${command}`;
  return svg({ title, height, body: rows, note });
}
