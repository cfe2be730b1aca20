import { type ArgumentError, type IpvsError, type VirtualService, type VirtualServiceId } from '@clusterf/ipvs';
import { acknowledge, type Diff, endedBy, type Op, type OpKind } from './diff.js';
import type { Connections } from './drain.js';
import type { MutableEntry, MutableTable } from './table.js';

/** The kernel as the agent uses it: `kernel.ts` over netlink, or a table in memory where faults are injected. */
export interface Kernel {
  /** The whole table. */
  dump(): Promise<MutableTable>;
  /** One virtual service with its destinations, `undefined` if there is none. */
  dumpService(id: VirtualServiceId): Promise<MutableEntry | undefined>;
  /** Does all of them in order, going on after a refusal; one answer each. Throws only if the kernel cannot be asked. */
  execute(ops: readonly Op[]): Promise<readonly (Refusal | undefined)[]>;
  /** Deletes every virtual service, whoever made it. */
  flush(): Promise<void>;
  /** Connections of a virtual service's destinations, by `destinationKey`. */
  connections(id: VirtualServiceId): Promise<ReadonlyMap<string, Connections>>;
  /** All virtual services by key, without keeping a pass that runs meanwhile waiting. */
  watchServices(): Promise<ReadonlyMap<string, VirtualService>>;
  /** The same for the destinations of one: what there is of it is in the answer beside them. */
  watchDestinations(service: VirtualService): Promise<MutableEntry>;
  /** As `connections`, without keeping a pass that runs meanwhile waiting. */
  watchConnections(id: VirtualServiceId): Promise<ReadonlyMap<string, Connections>>;
}

/** By the kernel, or by its client, which does not send what the kernel could only misread. */
export type Refusal = IpvsError | ArgumentError;

export interface Failure {
  readonly op: Op;
  readonly error: Refusal;
}

/**
 * Operations at once: enough that a round trip is nothing beside them, and few enough that what they leave, in messages
 * and in lines of the log, is gone before the next ones.
 */
const PORTION = 1000;

/** What is told of an apply as it goes on. */
export interface Progress {
  acknowledged(op: Op): void;
  refused(failure: Failure): void;
  /** Everything new and changed is in the kernel, as far as it took it, and nothing of this is removed yet. */
  made(removals: readonly Op[]): Promise<void>;
}

/**
 * Does what the diff says and keeps `actual` at what the kernel acknowledged. Where a destination could not be made,
 * nothing is removed from its virtual service that would leave it without one that takes connections.
 */
export async function apply(
  kernel: Kernel,
  { make, remove }: Diff,
  actual: MutableTable,
  progress: Progress,
): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  const execute = async (ops: readonly Op[]) => {
    for (let start = 0; start < ops.length; start += PORTION) {
      const portion = ops.slice(start, start + PORTION);
      const answers = await kernel.execute(portion);
      for (const [index, op] of portion.entries()) {
        const error = answers[index];
        if (error !== undefined) {
          failures.push({ op, error });
          progress.refused({ op, error });
        } else {
          acknowledge(actual, op);
          progress.acknowledged(op);
        }
      }
    }
  };
  await execute(make);
  const short = new Set(failures.flatMap(({ op }) => (op.command === 'newDestination' ? [op.key] : [])));
  const bare = new Set([...short].filter((key) => !takesConnections(actual, key, remove)));
  const removals = remove.filter((op) => !bare.has(op.key));
  await progress.made(removals);
  await execute(removals);
  return failures.filter((failure) => !isConsequence(failure, failures));
}

/** Whether a virtual service would still have a destination that takes connections after the removals. */
function takesConnections(actual: MutableTable, key: string, remove: readonly Op[]): boolean {
  const going = new Set(remove.filter((op) => op.key === key).map(endedBy));
  return [...(actual.get(key)?.destinations ?? [])].some(([at, { weight }]) => weight > 0 && !going.has(at));
}

/** A destination has no virtual service to be put into: that service's own refusal is what there is to tell. */
function isConsequence({ op, error }: Failure, failures: readonly Failure[]): boolean {
  if (op.command !== 'newDestination' || error.code !== 'ESRCH') return false;
  return failures.some((other) => other.op.key === op.key && other.op.command === 'newService');
}

/**
 * Whether the kernel refused because its table is not what we took it for: to be read again, not to be retried.
 * ENOENT for a virtual service means that the kernel has no such scheduler, which no reading mends.
 */
export function isStale({ op, error }: Failure): boolean {
  return STALE[op.command].includes(error.code);
}

const STALE: Readonly<Record<OpKind, readonly string[]>> = {
  newService: ['EEXIST'],
  setService: ['ESRCH'],
  newDestination: ['EEXIST', 'ESRCH'],
  setDestination: ['ENOENT', 'ESRCH'],
  delDestination: ['ENOENT', 'ESRCH'],
  delService: ['ESRCH'],
};
