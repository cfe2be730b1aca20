import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { apply, type Progress } from '../src/apply.js';
import { type Diff, diff, type OpKind } from '../src/diff.js';
import type { Desired } from '../src/plan.js';
import type { MutableTable, Table } from '../src/table.js';
import { desiredTable } from './arbitrary.js';
import { MemoryKernel } from './memory-kernel.js';

const OURS = () => true;
const SILENT: Progress = { acknowledged: () => {}, refused: () => {}, made: async () => {} };
const NOTHING: Diff = { make: [], remove: [] };

/** A kernel that holds a table already. */
function kernelWith(table: Table): MemoryKernel {
  const kernel = new MemoryKernel();
  for (const [key, { service, destinations }] of table)
    kernel.table.set(key, { service, destinations: new Map(destinations) });
  return kernel;
}

/** Settings only: what the kernel can know of a table, names left out. */
function settings(table: Table): unknown {
  return new Map(
    [...table].toSorted(byKey).map(([key, { service, destinations }]) => {
      const { id, scheduler } = service;
      const plain = [...destinations]
        .toSorted(byKey)
        .map(([d, { method, weight, upperThreshold }]) => [d, method, weight, upperThreshold]);
      return [key, { id, scheduler, plain }];
    }),
  );
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

async function run(kernel: MemoryKernel, ops: Diff, known: MutableTable) {
  return await apply(kernel, ops, known, SILENT);
}

describe('diff', () => {
  test('of a table with itself is empty', () => {
    fc.assert(fc.property(desiredTable, (table) => expect(diff(table, table, OURS)).toEqual(NOTHING)));
  });

  test('applied to one table gives the other, in the kernel and in what is known of it', async () => {
    await fc.assert(
      fc.asyncProperty(desiredTable, desiredTable, async (from, to) => {
        const kernel = kernelWith(from);
        const known = await kernel.dump();
        expect(await run(kernel, diff(known, to, OURS), known)).toEqual([]);
        expect(settings(kernel.table)).toEqual(settings(to));
        expect(known).toEqual(kernel.table);
        expect(diff(await kernel.dump(), to, OURS)).toEqual(NOTHING);
      }),
    );
  });

  test('cut off anywhere and taken up again arrives all the same', async () => {
    await fc.assert(
      fc.asyncProperty(desiredTable, desiredTable, fc.nat(20), async (from, to, cut) => {
        const kernel = kernelWith(from);
        const { make, remove } = diff(from, to, OURS);
        await kernel.execute([...make, ...remove].slice(0, cut));
        const known = await kernel.dump();
        expect(await run(kernel, diff(known, to, OURS), known)).toEqual([]);
        expect(settings(kernel.table)).toEqual(settings(to));
      }),
    );
  });

  test('makes before it breaks: new and changed things in order, then removals in order', () => {
    const order: OpKind[] = [
      'newService',
      'setService',
      'newDestination',
      'setDestination',
      'delDestination',
      'delService',
    ];
    fc.assert(
      fc.property(desiredTable, desiredTable, (from, to) => {
        const { make, remove } = diff(from, to, OURS);
        const kinds = [...make, ...remove].map((op) => order.indexOf(op.command));
        expect(kinds).toEqual(kinds.toSorted((a, b) => a - b));
        expect(make.some(({ command }) => command.startsWith('del'))).toBe(false);
        expect(remove.every(({ command }) => command.startsWith('del'))).toBe(true);
      }),
    );
  });

  test('leaves a virtual service alone that is neither desired nor ours', () => {
    fc.assert(fc.property(desiredTable, (table) => expect(diff(table, new Map(), () => false)).toEqual(NOTHING)));
  });
});

describe('apply', () => {
  const id = { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 } as const;
  const table = (...addresses: string[]): Desired =>
    new Map([
      [
        'tcp 10.0.0.1:80',
        {
          service: { id, serviceName: 'web', scheduler: 'rr', schedulerFlags: 0, onePacket: false },
          destinations: new Map(
            addresses.map((address) => [
              `${address}:80`,
              {
                family: 'ipv4',
                address,
                port: 80,
                method: 'masq',
                weight: 1,
                upperThreshold: 0,
                lowerThreshold: 0,
                backends: ['a'],
              },
            ]),
          ),
        },
      ],
    ]);

  test('removes nothing that would leave a service bare because its replacement could not be made', async () => {
    const kernel = kernelWith(table('127.0.1.1'));
    kernel.refuse = ({ command }) => (command === 'newDestination' ? 'EINVAL' : undefined);
    const known = await kernel.dump();
    const failures = await run(kernel, diff(known, table('127.0.1.2'), OURS), known);
    expect(failures.map(({ error }) => error.code)).toEqual(['EINVAL']);
    expect([...(kernel.table.get('tcp 10.0.0.1:80')?.destinations.keys() ?? [])]).toEqual(['127.0.1.1:80']);
  });

  test('removes what died although something else was refused, as long as another takes connections', async () => {
    const kernel = kernelWith(table('127.0.1.1', '127.0.1.2'));
    kernel.refuse = ({ command }) => (command === 'newDestination' ? 'EINVAL' : undefined);
    const known = await kernel.dump();
    await run(kernel, diff(known, table('127.0.1.2', '127.0.1.3'), OURS), known);
    expect([...(kernel.table.get('tcp 10.0.0.1:80')?.destinations.keys() ?? [])]).toEqual(['127.0.1.2:80']);
  });

  test('tells of a service that could not be made once, not again for each of its destinations', async () => {
    const kernel = new MemoryKernel();
    kernel.refuse = ({ command }) => (command === 'newService' ? 'ENOENT' : undefined);
    const failures = await run(kernel, diff(new Map(), table('127.0.1.1', '127.0.1.2'), OURS), new Map());
    expect(failures.map(({ op, error }) => `${op.command} ${error.code}`)).toEqual(['newService ENOENT']);
  });

  test('goes on with all other services when one is refused', async () => {
    const kernel = new MemoryKernel();
    await fc.assert(
      fc.asyncProperty(desiredTable, async (to) => {
        const [refused] = to.keys();
        kernel.table.clear();
        kernel.refuse = ({ key }) => (key === refused ? 'EINVAL' : undefined);
        await run(kernel, diff(new Map(), to, OURS), new Map());
        expect([...kernel.table.keys()].toSorted()).toEqual([...to.keys()].filter((key) => key !== refused).toSorted());
      }),
    );
  });
});
