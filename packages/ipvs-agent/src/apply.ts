import type { IpvsError, VirtualServiceId } from '@clusterf/ipvs';
import { acknowledge, type Diff, type Op, type OpKind } from './diff.js';
import type { MutableTable } from './table.js';

/** The kernel as the agent uses it: `kernel.ts` over netlink, or a table in memory where faults are injected. */
export interface Kernel {
  /** The whole table. */
  dump(): Promise<MutableTable>;
  /** One virtual service with its destinations, `undefined` if there is none. */
  dumpService(id: VirtualServiceId): Promise<MutableTableEntry | undefined>;
  /** Does all of them in order, going on after a refusal; one answer each. Throws only if the kernel cannot be asked. */
  execute(ops: readonly Op[]): Promise<readonly (IpvsError | undefined)[]>;
  /** Deletes every virtual service, whoever made it. */
  flush(): Promise<void>;
}

type MutableTableEntry = MutableTable extends Map<string, infer Entry> ? Entry : never;

export interface Failure {
  readonly op: Op;
  readonly error: IpvsError;
}

/**
 * Does what the diff says and keeps `actual` at what the kernel acknowledged. Nothing is removed from a virtual
 * service for which something could not be made: what it has left may be all that answers.
 */
export async function apply(
  kernel: Kernel,
  { make, remove }: Diff,
  actual: MutableTable,
  acknowledged: (op: Op) => void,
): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  const execute = async (ops: readonly Op[]) => {
    if (ops.length === 0) return;
    const answers = await kernel.execute(ops);
    for (const [index, op] of ops.entries()) {
      const error = answers[index];
      if (error !== undefined) failures.push({ op, error });
      else {
        acknowledge(actual, op);
        acknowledged(op);
      }
    }
  };
  await execute(make);
  const broken = new Set(failures.map(({ op }) => op.key));
  await execute(remove.filter((op) => !broken.has(op.key)));
  return failures.filter((failure) => !isConsequence(failure, failures));
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
