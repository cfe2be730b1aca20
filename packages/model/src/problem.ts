/** Bad input, as data: it is reported where a person looks, and everything else goes on. */
export interface Problem {
  /** Where the input came from: a source's URL, or `docker` for labels. */
  readonly source: string;
  /** The configuration key (`services/web/backends/a1`), or container and label. */
  readonly key: string;
  /** Names the value and what was expected. */
  readonly message: string;
}
