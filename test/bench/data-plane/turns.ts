/** All measurements of several ways. */
import {
  type Client,
  type Direction,
  measureBulk,
  measureRequests,
  type RequestKind,
  type Requests,
} from './measure.js';
import type { Results } from './results.js';

/** A way that is measured. */
export interface Measured {
  readonly title: string;
  /** What the client asks. */
  readonly targets: readonly string[];
  /** See measureRequests. */
  readonly used?: (() => number) | undefined;
  /** Makes it so, before each of its measurements. */
  readonly prepare?: () => Promise<void>;
}

export interface Extent {
  readonly runs: number;
  /** Of bulk data, if that is measured. */
  readonly directions: readonly Direction[];
  /** Told of each round. */
  readonly say: (text: string) => void;
}

/** They take turns with each measurement, so that what else the machine does falls on all alike. */
export async function measureInTurns<Name extends string>(
  client: Client,
  ways: readonly (readonly [Name, Measured])[],
  { runs, directions, say }: Extent,
): Promise<Results<Name>> {
  const results = new Map(
    ways.map(([name, { title }]) => {
      const requests: Record<RequestKind, Requests[]> = { kept: [], new: [] };
      const bulk: Record<Direction, number[]> = { up: [], down: [] };
      return [name, { title, requests, bulk }] as const;
    }),
  );
  const inTurns = async (what: string, measure: (way: Measured, name: Name) => Promise<string>) => {
    const said: string[] = [];
    for (const [name, way] of ways) {
      await way.prepare?.();
      said.push(`${name} ${await measure(way, name)}`);
    }
    say(`${what}: ${said.join(', ')}`);
  };
  for (let run = 1; run <= runs; run += 1) {
    for (const kind of ['kept', 'new'] as const)
      await inTurns(kind, async ({ targets, used }, name) => {
        const outcome = await measureRequests(client, targets, kind, used);
        results.get(name)?.requests[kind].push(outcome);
        return outcome.perSecond.toFixed(0);
      });
    for (const direction of directions)
      await inTurns(direction, async ({ targets }, name) => {
        const bits = await measureBulk(client, targets, direction);
        results.get(name)?.bulk[direction].push(bits);
        return (bits / 1e9).toFixed(1);
      });
  }
  return results;
}
