/** What a source of configuration entries tells. Paths are relative to its prefix, values are the raw text. */
export type SourceEvent =
  /** The whole tree, complete: what it lacks is gone. */
  | { readonly type: 'snapshot'; readonly entries: ReadonlyMap<string, string> }
  /** Changes since the last event, of one etcd transaction or one directory scan; `undefined` = deleted. */
  | { readonly type: 'changes'; readonly changes: ReadonlyMap<string, string | undefined> }
  /** Contact is lost; what was last read stays in force. A snapshot follows when it is back. */
  | { readonly type: 'unavailable'; readonly error: Error };
