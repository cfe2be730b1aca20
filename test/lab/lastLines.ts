/** Keeps the end of a stream of text: what one wants to see when something hung or died. */
export class LastLines {
  readonly #kept: number;
  #text = '';

  /** @param kept how many lines are kept, and shown by `indented` */
  constructor(kept: number) {
    this.#kept = kept;
  }

  add(text: string): void {
    this.#text = (this.#text + text)
      .split('\n')
      .slice(-this.#kept - 1)
      .join('\n');
  }

  /** The lines, indented, or `(none)`. */
  indented(): string {
    const lines = this.#text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-this.#kept);
    return lines.length === 0 ? '(none)' : lines.map((line) => `  ${line.trimEnd()}`).join('\n');
  }
}
