import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { IpvsClient } from '@clusterf/ipvs';
import * as fc from 'fast-check';
import { requireMachine } from '../../../test/lab/index.js';
import { apply, type Progress } from '../src/apply.js';
import { diff } from '../src/diff.js';
import { ipvsKernel } from '../src/kernel.js';
import { desiredTable } from './arbitrary.js';
import { MemoryKernel } from './memory-kernel.js';

const OURS = () => true;
const SILENT: Progress = { acknowledged: () => {}, refused: () => {}, made: async () => {} };
const RUNS = { numRuns: 30 };

let client: IpvsClient;

beforeAll(async () => {
  requireMachine();
  client = await IpvsClient.open();
});
beforeEach(async () => client.flush());
afterAll(async () => {
  await client.flush();
  client.close();
});

describe('the real kernel', () => {
  test('holds what was desired after apply: a fresh dump diffs to nothing', async () => {
    const kernel = ipvsKernel(client, client);
    await fc.assert(
      fc.asyncProperty(desiredTable, async (desired) => {
        const actual = await kernel.dump();
        expect(await apply(kernel, diff(actual, desired, OURS), actual, SILENT)).toEqual([]);
        expect(diff(await kernel.dump(), desired, OURS)).toEqual({ make: [], remove: [] });
        // What the agent believes without asking is what asking says.
        expect(diff(actual, desired, OURS)).toEqual({ make: [], remove: [] });
      }),
      RUNS,
    );
  });

  test('answers the same operations with the same codes as the kernel in memory that stands in for it', async () => {
    const kernel = ipvsKernel(client, client);
    await fc.assert(
      fc.asyncProperty(desiredTable, desiredTable, desiredTable, async (one, two, three) => {
        await kernel.flush();
        const memory = new MemoryKernel();
        // Operations from tables that are not what either holds: many of them are refused.
        for (const { make, remove } of [diff(new Map(), one, OURS), diff(two, three, OURS), diff(three, one, OURS)]) {
          const ops = [...make, ...remove];
          const codes = async (answers: ReturnType<typeof kernel.execute>) =>
            (await answers).map((error, i) => `${ops[i]?.command} ${error?.code ?? 'done'}`);
          expect(await codes(memory.execute(ops))).toEqual(await codes(kernel.execute(ops)));
        }
        expect([...(await kernel.dump()).keys()].toSorted()).toEqual([...memory.table.keys()].toSorted());
      }),
      RUNS,
    );
  });
});
