import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { destinationKey, IpvsClient, virtualServiceKey } from '@clusterf/ipvs';
import { ConfigTree } from '@clusterf/model';
import * as fc from 'fast-check';
import { requireMachine } from '../../../test/lab/index.js';
import { diff } from '../src/diff.js';
import { ipvsadmLine, ipvsadmTable } from '../src/ipvsadm.js';
import type { Desired, PlannedEntry } from '../src/plan.js';
import { Planner } from '../src/planner.js';
import { tableEntry } from '../src/table.js';
import { trees } from './arbitrary-tree.js';

const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh', 'dh', 'sed', 'nq', 'fo', 'ovf'];
/** ipvsadm's own limits (process_options), which are below the kernel's. */
const MAX_WEIGHT = 65_535;
const MAX_LIMIT = 0x7fff_ffff;

let client: IpvsClient;
beforeAll(async () => {
  requireMachine();
  client = await IpvsClient.open();
});
beforeEach(async () => await client.flush());
afterAll(async () => {
  await client.flush();
  client.close();
});

/** What a tree comes to, within ipvsadm's limits. */
function planned(entries: ReadonlyMap<string, string>): Desired {
  const tree = new ConfigTree(['memory:']);
  const change = tree.apply(0, { type: 'snapshot', entries });
  const planner = new Planner({ method: 'masq', scheduler: 'wlc', elide: false });
  planner.update(tree.config, change);
  return new Map([...planner.desired].map(([key, entry]) => [key, withinLimits(entry)]));
}

function withinLimits({ service, destinations }: PlannedEntry): PlannedEntry {
  const { id } = service;
  const limited = [...destinations.values()].map((destination) => {
    const { method, port, weight, upperThreshold, lowerThreshold } = destination;
    return {
      ...destination,
      // It takes no other port where none would be used.
      port: method === 'masq' || !('port' in id) ? port : id.port,
      weight: Math.min(weight, MAX_WEIGHT),
      upperThreshold: Math.min(upperThreshold, MAX_LIMIT),
      lowerThreshold: Math.min(lowerThreshold, MAX_LIMIT),
    };
  });
  return { service, destinations: new Map(limited.map((each) => [destinationKey(each), each])) };
}

async function restore(lines: readonly string[]): Promise<void> {
  const child = spawn('ipvsadm', ['-R'], { stdio: ['pipe', 'ignore', 'pipe'] });
  child.stdin.end(lines.map((line) => `${line}\n`).join(''));
  const [complaints] = await Promise.all([text(child.stderr), once(child, 'close')]);
  if (child.exitCode !== 0 || complaints !== '') throw new Error(`${complaints}\n${lines.join('\n')}`);
}

/** What the kernel holds. */
async function dumped() {
  const table = await client.table({ stats: false });
  return new Map(
    table.map(({ service, destinations }) => [virtualServiceKey(service.id), tableEntry(service, destinations)]),
  );
}

/** What is still to be done for a plan. */
async function left(desired: Desired): Promise<readonly string[]> {
  const { make, remove } = diff(await dumped(), desired, () => true);
  return [...make, ...remove].map(ipvsadmLine);
}

test('whatever the tree, ipvsadm makes the planned table of its lines, and of any table any other', async () => {
  await fc.assert(
    fc.asyncProperty(trees(SCHEDULERS), trees(SCHEDULERS), async (first, second) => {
      await client.flush();
      await restore(ipvsadmTable(planned(first)));
      expect(await left(planned(first))).toEqual([]);
      await restore(await left(planned(second)));
      expect(await left(planned(second))).toEqual([]);
    }),
    { numRuns: 25 },
  );
}, 300_000);

test('a table is said as ipvsadm itself says it', async () => {
  const persistence = { timeout: 300, netmask: 24 };
  const tree = {
    'services/a/frontend': { ipv4: '10.0.0.1', tcp: 80, udp: 53, scheduler: 'rr', onePacket: true },
    'services/a/backends/x': { ipv4: '172.17.0.2', tcp: 8080, udp: 53 },
    'services/b/frontend': { ipv6: '2001:db8::1', sctp: 99, scheduler: 'mh', method: 'droute' },
    'services/b/backends/y': { ipv6: 'fd00::2', sctp: 99, weight: 0 },
    'services/c/frontend': { ipv4: '10.0.0.2', fwmark: 5, persistence },
    'services/c/backends/z': { ipv4: '10.1.0.2', tcp: 80 },
    'services/d/frontend': { ipv6: '::1', fwmark: 6, scheduler: 'sh' },
    'routes/t': { Prefix: '10.1.0.0/16', IPVSMethod: 'tunnel', Tunnel: { type: 'gue', port: 6080, checksum: true } },
  };
  const desired = planned(new Map(Object.entries(tree).map(([key, value]) => [key, JSON.stringify(value)])));
  await restore(ipvsadmTable(desired));
  const child = spawn('ipvsadm', ['-Sn'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const saved = (await text(child.stdout)).trim().split('\n');
  expect(ipvsadmTable(desired).toSorted()).toEqual(saved.map((line) => line.trim()).toSorted());
});
