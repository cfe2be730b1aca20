/** What happens when, from an event on: a line for each time it was tried. Pure. */
import { escape, round, svg, WIDTH } from './svg.js';

export interface TimeLine {
  readonly label: string;
  /** Milliseconds from the event on; what did not happen is left out. */
  readonly marks: readonly Mark[];
  /** The longest silence at a client, in milliseconds. */
  readonly silence: number;
  /** What is written at the end of the line. */
  readonly outcome: string;
}

export interface Mark {
  readonly name: MarkName;
  readonly at: number;
}

export type MarkName = keyof typeof SIGNS;

const SIGNS = { steady: '●', converged: '◆', 'caught up': '▲' } as const;

export interface TimeLines {
  readonly title: string;
  /** What remakes it. */
  readonly command: string;
  readonly lines: readonly TimeLine[];
  /** Milliseconds after which the router takes a silent balancer for dead. */
  readonly detection: number;
}

const LABELS = 330;
const OUTCOMES = 110;
const TOP = 64;
const ROW = 26;
const BOTTOM = 54;
const TICKS = [0, 100, 300, 1000, 3000, 10_000, 30_000];

/** The axis is logarithmic: a router's 0.3 s and a cluster's 10 s are both to be seen. */
export function timeLines({ title, command, lines, detection }: TimeLines): string {
  const longest = Math.max(1000, ...lines.flatMap(({ marks, silence }) => [silence, ...marks.map(({ at }) => at)]));
  const ticks = TICKS.filter((tick) => tick <= longest * 1.2);
  const room = WIDTH - LABELS - OUTCOMES;
  const x = (ms: number) => round(LABELS + (stretch(ms) / stretch(longest)) * room);
  const bottom = TOP + lines.length * ROW;
  const axis = ticks.flatMap((tick) => [
    `<line class="axis" x1="${x(tick)}" x2="${x(tick)}" y1="${TOP - 8}" y2="${bottom}"/>`,
    `<text class="note" x="${x(tick)}" y="${TOP - 14}" text-anchor="middle">${tick < 1000 ? `${tick} ms` : `${tick / 1000} s`}</text>`,
  ]);
  const detected = `<line class="way control" x1="${x(detection)}" x2="${x(detection)}" y1="${TOP - 8}" y2="${bottom}"/>`;
  const rows = lines.flatMap(({ label, marks, silence, outcome }, index) => {
    const middle = TOP + index * ROW + ROW / 2;
    return [
      `<text x="${LABELS - 12}" y="${middle + 4.5}" text-anchor="end">${escape(label)}</text>`,
      `<rect class="others" x="${LABELS}" y="${middle - 5}" width="${round(x(silence) - LABELS)}" height="10" rx="2"/>`,
      ...marks.map(
        ({ name, at }) => `<text x="${x(at)}" y="${middle + 4.5}" text-anchor="middle">${SIGNS[name]}</text>`,
      ),
      `<text x="${WIDTH - OUTCOMES + 14}" y="${middle + 4.5}">${escape(outcome)}</text>`,
    ];
  });
  const key = `bar: longest silence at a client that lived · dotted: the router’s detection, ${detection} ms · ${Object.entries(
    SIGNS,
  )
    .map(([name, sign]) => `${sign} ${name}`)
    .join(' · ')}`;
  const legend = `<text class="note" x="10" y="${bottom + 20}">${escape(key)}</text>`;
  return svg({ title, height: bottom + BOTTOM, body: [...axis, detected, ...rows, legend], note: command });
}

function stretch(ms: number): number {
  return Math.log1p(Math.max(0, ms) / 50);
}
