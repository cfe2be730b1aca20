import type { SourceEvent } from '@clusterf/store';

/** One entry that came, changed or went. */
export interface TreeEvent {
  readonly type: 'put' | 'removed';
  readonly path: string;
  /** As stored, if it was put. */
  readonly value?: string;
}

/**
 * From what a source tells to what became of single entries. After an outage the whole tree is told again: what it
 * comes to is only what differs.
 */
export class TreeEvents {
  #known: Map<string, string> | undefined;

  /** How many entries there are; undefined before the first snapshot. */
  get size(): number | undefined {
    return this.#known?.size;
  }

  /** @returns nothing for the first snapshot, unless `first` asks for it */
  take(event: SourceEvent, first = false): readonly TreeEvent[] {
    switch (event.type) {
      case 'unavailable':
        return [];
      case 'snapshot': {
        const before = this.#known ?? (first ? new Map<string, string>() : new Map(event.entries));
        this.#known = new Map(event.entries);
        const gone = [...before.keys()].filter((path) => !event.entries.has(path));
        return [
          ...gone.map((path): TreeEvent => ({ type: 'removed', path })),
          ...[...event.entries].filter(([path, value]) => before.get(path) !== value).map(put),
        ];
      }
      case 'changes': {
        const known = (this.#known ??= new Map());
        return [...event.changes].flatMap(([path, value]): readonly TreeEvent[] => {
          if (value === undefined) return known.delete(path) ? [{ type: 'removed', path }] : [];
          known.set(path, value);
          return [put([path, value])];
        });
      }
    }
  }
}

function put([path, value]: readonly [string, string]): TreeEvent {
  return { type: 'put', path, value };
}
