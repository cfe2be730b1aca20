import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Command, destinationKey, IpvsClient, virtualServiceKey } from '@clusterf/ipvs';
import { ConfigTree } from '@clusterf/model';
import * as fc from 'fast-check';
import { requireMachine } from '../../../test/lab/index.js';
import type { Desired } from '../src/plan.js';
import { Planner } from '../src/planner.js';
import { sameDestination, sameService } from '../src/table.js';
import { trees } from './arbitrary-tree.js';

const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'sh', 'mh', 'dh', 'sed', 'nq', 'fo', 'ovf'];

let client: IpvsClient;

beforeAll(async () => {
  requireMachine();
  client = await IpvsClient.open();
  await client.flush();
});
afterAll(async () => {
  await client.flush();
  client.close();
});

function planned(entries: ReadonlyMap<string, string>, syncDaemon: boolean): Desired {
  const tree = new ConfigTree(['memory:']);
  tree.apply(0, { type: 'snapshot', entries });
  expect(tree.rejected).toEqual([]);
  const planner = new Planner({ method: 'masq', scheduler: 'wlc', elide: false });
  planner.update(tree.config, { services: new Set(tree.config.services.keys()), routes: true }, syncDaemon);
  return planner.desired;
}

/** What the kernel says to a plan, and how what it holds afterwards differs from it. */
async function program(desired: Desired) {
  await client.flush();
  const commands = [...desired.values()].flatMap(({ service, destinations }): Command[] => [
    { command: 'newService', service },
    ...[...destinations.values()].map(
      (destination): Command => ({ command: 'newDestination', service: service.id, destination }),
    ),
  ]);
  const errors = await client.batch(commands);
  const refused = commands.filter((_, i) => errors[i] !== undefined);

  const table = await client.table();
  const differing = table.filter(({ service, destinations }) => {
    const wanted = desired.get(virtualServiceKey(service.id));
    return (
      wanted === undefined ||
      !sameService(service, wanted.service) ||
      destinations.length !== wanted.destinations.size ||
      destinations.some((each) => {
        const other = wanted.destinations.get(destinationKey(each));
        return other === undefined || !sameDestination(each, other);
      })
    );
  });
  return { refused, differing, size: table.length };
}

test('the kernel takes all that is planned, whatever the tree, and holds exactly that', async () => {
  await fc.assert(
    fc.asyncProperty(trees(SCHEDULERS), async (entries) => {
      const desired = planned(entries, false);
      expect(await program(desired)).toEqual({ refused: [], differing: [], size: desired.size });
    }),
    { numRuns: 300 },
  );
}, 300_000);

test('while a sync daemon runs too', async () => {
  await client.flush();
  await client.newDaemon({ role: 'master', interface: 'lo', syncId: 1 });
  try {
    await fc.assert(
      fc.asyncProperty(trees(SCHEDULERS), async (entries) => {
        const desired = planned(entries, true);
        expect(await program(desired)).toEqual({ refused: [], differing: [], size: desired.size });
      }),
      { numRuns: 150 },
    );
  } finally {
    await client.delDaemon('master');
  }
}, 300_000);
