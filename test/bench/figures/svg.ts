/** What all figures have in common: to be seen in a document, by day and by night. Pure. */

export const WIDTH = 760;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 15px; font-weight: 600; }
  .note { font-size: 11px; fill: #656d76; }
  .ours { fill: #0969da; } .others { fill: #bc4c00; } .measure { fill: #8c959f; }
  .spread, .axis, .way { stroke: #1f2328; stroke-width: 1.5; fill: none; }
  .axis { stroke-width: 0.5; }
  .tunnel { stroke-dasharray: 6 4; } .answer { stroke: #1a7f37; } .control { stroke: #8c959f; stroke-dasharray: 2 3; }
  .place { fill: #ddf4ff; stroke: #0969da; } .container { fill: #dafbe1; stroke: #1a7f37; } .plain { fill: #f6f8fa; stroke: #8c959f; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .note { fill: #8d96a0; } .spread, .axis, .way { stroke: #e6edf3; }
    .ours { fill: #2f81f7; } .others { fill: #db6d28; } .measure { fill: #6e7681; }
    .answer { stroke: #3fb950; } .control { stroke: #6e7681; }
    .place { fill: #121d2f; stroke: #2f81f7; } .container { fill: #12261e; stroke: #3fb950; } .plain { fill: #161b22; stroke: #6e7681; }
  }`;

export interface Drawing {
  readonly title: string;
  /** In pixels, of what is drawn; the title's line and the note's are part of it. */
  readonly height: number;
  /** Elements. */
  readonly body: readonly string[];
  /** A small line at the bottom: how to read it, and what remakes it. */
  readonly note: string;
}

export function svg({ title, height, body, note }: Drawing): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escape(title)}">
<style>${STYLE}
</style>
<text class="title" x="10" y="24">${escape(title)}</text>
${body.join('\n')}
<text class="note" x="10" y="${height - 12}">${escape(note)}</text>
</svg>
`;
}

/** Pixels to a tenth. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
