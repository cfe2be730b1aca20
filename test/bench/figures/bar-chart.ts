/** A bar chart as SVG, to be seen in a document, by day and by night. Pure. */
import type { Typical } from '../data-plane/results.js';

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

const WIDTH = 760;
const LABELS = 300;
const VALUES = 90;
const TOP = 44;
const ROW = 28;
const THICKNESS = 16;
const BOTTOM = 34;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .note { font-size: 11px; fill: #656d76; }
  .ours { fill: #0969da; } .others { fill: #bc4c00; } .measure { fill: #8c959f; }
  .spread { stroke: #1f2328; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .note { fill: #8d96a0; } .spread { stroke: #e6edf3; }
    .ours { fill: #2f81f7; } .others { fill: #db6d28; } .measure { fill: #6e7681; }
  }`;

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
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escape(title)}">
<style>${STYLE}
</style>
<text class="title" x="10" y="24">${escape(title)}</text>
${rows.join('\n')}
<text class="note" x="10" y="${height - 12}">median of the runs; the line is from the least to the most · ${escape(command)}</text>
</svg>
`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
