import { constants } from 'node:os';
import {
  type Destination,
  destinationKey,
  IpvsError,
  type VirtualService,
  type VirtualServiceId,
  virtualServiceKey,
} from '@clusterf/ipvs';
import type { Kernel } from '../src/apply.js';
import { acknowledge, type Op } from '../src/diff.js';
import type { Connections } from '../src/drain.js';
import type { MutableTable } from '../src/table.js';

/**
 * A kernel table in memory that refuses what the kernel refuses, with its error codes, and anything else a test
 * asks it to. kernel.kernel.test.ts holds it to the real one.
 */
export class MemoryKernel implements Kernel {
  readonly table: MutableTable = new Map();
  /** Every operation that was asked for, in order. */
  readonly asked: Op[] = [];
  dumps = 0;
  walks = 0;
  /** Active and inactive connections of destinations, by `destinationKey`; none unless said. */
  readonly open = new Map<string, Connections>();
  /** Makes an operation fail that would succeed: an errno name, or nothing. */
  refuse: (op: Op) => keyof typeof constants.errno | undefined = () => undefined;

  async dump(): Promise<MutableTable> {
    this.dumps += 1;
    return structuredClone(this.table);
  }

  async dumpService(id: VirtualServiceId) {
    return structuredClone(this.table.get(virtualServiceKey(id)));
  }

  async execute(ops: readonly Op[]) {
    return ops.map((op) => {
      this.asked.push(op);
      const code = this.refuse(op) ?? this.#refusal(op);
      if (code !== undefined)
        return new IpvsError({ command: op.command, subject: () => op.key }, constants.errno[code]);
      acknowledge(this.table, op);
      return undefined;
    });
  }

  async flush() {
    this.table.clear();
  }

  async connections(id: VirtualServiceId) {
    const known = this.table.get(virtualServiceKey(id))?.destinations.keys() ?? [];
    return new Map([...known].map((at) => [at, this.open.get(at) ?? { active: 0, inactive: 0 }]));
  }

  async watchConnections(id: VirtualServiceId) {
    return await this.connections(id);
  }

  async watchServices() {
    this.walks += 1;
    return new Map([...this.table].map(([key, { service }]) => [key, service]));
  }

  async watchDestinations(service: VirtualService) {
    return structuredClone({
      service,
      destinations: this.table.get(virtualServiceKey(service.id))?.destinations ?? new Map<string, Destination>(),
    });
  }

  #refusal(op: Op): keyof typeof constants.errno | undefined {
    const service = this.table.get(op.key);
    if (op.command === 'newService') return service ? 'EEXIST' : undefined;
    if (service === undefined) return 'ESRCH';
    if (!('destination' in op)) return undefined;
    const exists = service.destinations.has(destinationKey(op.destination));
    if (op.command === 'newDestination') return exists ? 'EEXIST' : undefined;
    return exists ? undefined : 'ENOENT';
  }
}
