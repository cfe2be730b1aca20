import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { requireMachine } from '../../../test/lab/index.js';
import { RecordedLog } from '../../daemon/test/recorded-log.js';
import { ARP_SYSCTLS, AddressesState, NO_ADDRESSES, VirtualAddresses } from '../src/addresses/index.js';
import { StateFile } from '../src/state-file.js';

const run = promisify(execFile);
const DEVICE = 'vip0';

const Devices = z.array(
  z.object({
    ifindex: z.number(),
    flags: z.array(z.string()),
    addr_info: z.array(z.object({ local: z.string(), prefixlen: z.number(), tentative: z.boolean().optional() })),
  }),
);

async function ip(words: string): Promise<string> {
  return (await run('ip', words.split(' '))).stdout;
}

/** The device as another program sees it, without the kernel's own link-local address. */
async function seen(name = DEVICE) {
  const { stdout } = await run('ip', ['-j', 'address', 'show', 'dev', name]);
  const [device] = Devices.parse(JSON.parse(stdout));
  if (device === undefined) throw new Error(`no ${name} in ${stdout}`);
  const addresses = device.addr_info.filter(({ local }) => !local.startsWith('fe80:'));
  return {
    index: device.ifindex,
    up: device.flags.includes('UP'),
    tentative: addresses.filter(({ tentative }) => tentative === true).length,
    addresses: addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`).toSorted(),
  };
}

const exists = async (name: string) => (await ip('-o link')).includes(`: ${name}:`);

let directory: string;
let log: RecordedLog;
/** What is reached at which address. */
const etcd = new Map<string, string>();
const opened: VirtualAddresses[] = [];

const ignore = (): void => {};

/** What an earlier run left in the state directory. */
async function load() {
  return await StateFile.load({
    directory,
    name: 'addresses',
    schema: AddressesState,
    empty: NO_ADDRESSES,
    report: ignore,
  });
}

function open(name: string | undefined, state: StateFile<AddressesState>): VirtualAddresses {
  const addresses = VirtualAddresses.open({ interface: name, state, etcdAt: (address) => etcd.get(address), log });
  opened.push(addresses);
  return addresses;
}

/** An agent's start. */
const start = async (): Promise<VirtualAddresses> => open(DEVICE, await load());

/** Whether a command succeeds on the neighbour. */
const neighbour = async (command: string) =>
  await run('ip', ['netns', 'exec', 'neighbour', ...command.split(' ')]).then(
    () => true,
    () => false,
  );

const set = (...addresses: string[]): ReadonlySet<string> => new Set(addresses);

/** What a pass does. */
async function pass(addresses: VirtualAddresses, wanted: ReadonlySet<string>): Promise<void> {
  await addresses.bind(wanted);
  await addresses.unbind(wanted);
}

/** What a pass does at `--resync`. */
async function resync(addresses: VirtualAddresses, wanted: ReadonlySet<string>): Promise<void> {
  addresses.resync();
  await pass(addresses, wanted);
}

beforeAll(() => {
  requireMachine();
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-addresses-'));
  log = new RecordedLog();
});
afterEach(async () => {
  for (const addresses of opened.splice(0)) addresses.close();
  etcd.clear();
  for (const name of [DEVICE, 'vip1', 'own0']) if (await exists(name)) await ip(`link delete ${name}`);
  await rm(directory, { recursive: true });
});

describe('virtual addresses', () => {
  test('are bound, of both families and usable at once, on a device that is made and set up for them', async () => {
    const addresses = await start();
    await pass(addresses, set('10.9.0.1', '2001:db8::1'));
    expect(await seen()).toMatchObject({ up: true, tentative: 0, addresses: ['10.9.0.1/32', '2001:db8::1/128'] });
    expect(addresses.state).toMatchObject({
      interface: DEVICE,
      bound: ['10.9.0.1', '2001:db8::1'],
      foreign: [],
      problems: [],
      drift: { deleted: 0, down: 0, addresses: 0 },
    });
  });

  test('are removed when they are no longer wanted, and the device stays', async () => {
    const addresses = await start();
    await pass(addresses, set('10.9.0.1', '10.9.0.2', '2001:db8::1', '2001:db8::2'));
    await pass(addresses, set('10.9.0.2', '2001:db8::2'));
    expect((await seen()).addresses).toEqual(['10.9.0.2/32', '2001:db8::2/128']);
    await pass(addresses, set());
    expect(await seen()).toMatchObject({ up: true, addresses: [] });
    expect(addresses.state.bound).toEqual([]);
  });

  test('are recognised after a restart: what the tree dropped meanwhile is removed, what is somebody else’s is not', async () => {
    await pass(await start(), set('10.9.0.1', '10.9.0.2', '2001:db8::1'));
    await ip(`address add 10.9.0.77/32 dev ${DEVICE}`);
    await ip(`address add 2001:db8::77/128 dev ${DEVICE}`);
    await ip(`address add 10.8.0.1/24 dev ${DEVICE}`);
    const restarted = await start();
    await pass(restarted, set('10.9.0.2'));
    expect((await seen()).addresses).toEqual(['10.8.0.1/24', '10.9.0.2/32', '10.9.0.77/32', '2001:db8::77/128']);
    expect(restarted.state.bound).toEqual(['10.9.0.2']);
    expect([...restarted.state.foreign].toSorted()).toEqual(['10.8.0.1/24', '10.9.0.77', '2001:db8::77']);
    expect(log.text).toContain('addresses that are not ours are left alone');
  });

  test('that were there already become ours when the tree names them', async () => {
    await ip(`link add ${DEVICE} type dummy`);
    await ip(`link set ${DEVICE} up`);
    await ip(`address add 10.9.0.1/32 dev ${DEVICE}`);
    const addresses = await start();
    await pass(addresses, set('10.9.0.1'));
    expect(addresses.state).toMatchObject({ bound: ['10.9.0.1'], foreign: [] });
    expect(log.text).not.toContain('not ours');
    await pass(addresses, set());
    expect((await seen()).addresses).toEqual([]);
  });

  test('are remembered as ours before they are added, and until they are gone', async () => {
    const state = await load();
    const write = state.write.bind(state);
    const written: { ours: readonly string[]; there: readonly string[] }[] = [];
    state.write = async (value) => {
      written.push({
        ours: value.devices.flatMap(({ addresses }) => addresses),
        there: (await seen()).addresses,
      });
      await write(value);
    };
    const addresses = open(DEVICE, state);
    await pass(addresses, set('10.9.0.1'));
    await pass(addresses, set());
    expect(written).toEqual([
      { ours: [], there: [] },
      { ours: ['10.9.0.1'], there: [] },
      { ours: [], there: [] },
    ]);
  });

  test('are bound on a device made anew when it goes while they are being added', async () => {
    const addresses = open(DEVICE, await load());
    await addresses.bind(set());
    await ip(`link delete ${DEVICE}`);
    await addresses.bind(set('10.9.0.1', '10.9.0.2'));
    expect(await seen()).toMatchObject({ up: true, addresses: ['10.9.0.1/32', '10.9.0.2/32'] });
    expect(addresses.state).toMatchObject({ problems: [], drift: { deleted: 1, down: 0, addresses: 0 } });
  });

  test('that were removed by hand are bound again at the next resync, counted and logged', async () => {
    const addresses = await start();
    const wanted = set('10.9.0.1', '10.9.0.2', '2001:db8::1');
    await pass(addresses, wanted);
    await ip(`address del 10.9.0.2/32 dev ${DEVICE}`);
    await ip(`address del 2001:db8::1/128 dev ${DEVICE}`);
    await resync(addresses, wanted);
    expect((await seen()).addresses).toEqual(['10.9.0.1/32', '10.9.0.2/32', '2001:db8::1/128']);
    expect(addresses.state.drift).toEqual({ deleted: 0, down: 0, addresses: 2 });
    expect(log.text).toContain('virtual addresses were removed by somebody');
    await resync(addresses, wanted);
    expect(addresses.state.drift).toEqual({ deleted: 0, down: 0, addresses: 2 });
  });

  test('come back with their device when somebody deleted it', async () => {
    const addresses = await start();
    const wanted = set('10.9.0.1', '2001:db8::1');
    await pass(addresses, wanted);
    await ip(`link delete ${DEVICE}`);
    await resync(addresses, wanted);
    expect(await seen()).toMatchObject({ up: true, addresses: ['10.9.0.1/32', '2001:db8::1/128'] });
    expect(addresses.state.drift).toEqual({ deleted: 1, down: 0, addresses: 0 });
    await addresses.withdraw();
    expect(await exists(DEVICE)).toBe(false);
  });

  test('come back when somebody set their device down, which loses those of IPv6', async () => {
    const addresses = await start();
    const wanted = set('10.9.0.1', '2001:db8::1');
    await pass(addresses, wanted);
    await ip(`link set ${DEVICE} down`);
    expect((await seen()).addresses).toEqual(['10.9.0.1/32']);
    await resync(addresses, wanted);
    expect(await seen()).toMatchObject({ up: true, addresses: ['10.9.0.1/32', '2001:db8::1/128'] });
    expect(addresses.state.drift).toEqual({ deleted: 0, down: 1, addresses: 0 });
  });

  test('are left alone by a pass that changes nothing: what somebody did in between is not even seen', async () => {
    const addresses = await start();
    await pass(addresses, set('10.9.0.1'));
    await ip(`address del 10.9.0.1/32 dev ${DEVICE}`);
    await pass(addresses, set('10.9.0.1'));
    expect((await seen()).addresses).toEqual([]);
    expect(addresses.state.bound).toEqual(['10.9.0.1']);
  });

  test('are withdrawn with the device that was made for them', async () => {
    await pass(await start(), set('10.9.0.1', '2001:db8::1'));
    const restarted = await start();
    await restarted.withdraw();
    expect(await exists(DEVICE)).toBe(false);
    expect(await readFile(join(directory, 'addresses.json'), 'utf8')).toBe('{"version":1,"devices":[]}\n');
  });

  test('are withdrawn from a device that stays, because somebody else’s address is on it', async () => {
    const addresses = await start();
    await pass(addresses, set('10.9.0.1', '2001:db8::1'));
    await ip(`address add 10.9.0.77/32 dev ${DEVICE}`);
    await addresses.withdraw();
    expect((await seen()).addresses).toEqual(['10.9.0.77/32']);
  });

  test('are withdrawn from a device that stays, because somebody else made it', async () => {
    await ip(`link add ${DEVICE} type dummy`);
    await ip(`link set ${DEVICE} up`);
    const addresses = await start();
    await pass(addresses, set('10.9.0.1'));
    await addresses.withdraw();
    expect((await seen()).addresses).toEqual([]);
  });

  test('are withdrawn from a device that stays, because it only has the name of the one that was made for them', async () => {
    await pass(await start(), set('10.9.0.1'));
    await ip(`link delete ${DEVICE}`);
    await ip(`link add ${DEVICE} type dummy`);
    await ip(`link set ${DEVICE} up`);
    const restarted = await start();
    await pass(restarted, set('10.9.0.2'));
    await restarted.withdraw();
    expect((await seen()).addresses).toEqual([]);
  });

  test('move to another device, and off the old one, when --vip-interface was changed', async () => {
    await pass(await start(), set('10.9.0.1', '2001:db8::1'));
    const restarted = open('vip1', await load());
    await restarted.bind(set('10.9.0.1'));
    expect(restarted.problems).toEqual([]);
    expect((await seen()).addresses).toEqual(['10.9.0.1/32', '2001:db8::1/128']);
    await restarted.unbind(set('10.9.0.1'));
    expect(await exists(DEVICE)).toBe(false);
    expect((await seen('vip1')).addresses).toEqual(['10.9.0.1/32']);
  });

  test('are left, and told of, when --vip-interface is left out, and are known again when it is back', async () => {
    await pass(await start(), set('10.9.0.1'));
    const without = open(undefined, await load());
    await pass(without, set('10.9.0.1'));
    expect((await seen()).addresses).toEqual(['10.9.0.1/32']);
    expect(log.text).toContain('addresses that an earlier run bound are left');
    await pass(await start(), set('10.9.0.2'));
    expect((await seen()).addresses).toEqual(['10.9.0.2/32']);
  });

  test('that another device of the machine has are left to it, until it has them no more', async () => {
    await ip('link add own0 type dummy');
    await ip('link set own0 up');
    await ip('address add 10.8.0.5/24 dev own0');
    await ip('address add 2001:db8::5/128 dev own0');
    const addresses = await start();
    const wanted = set('10.8.0.5', '10.9.0.1', '2001:db8::5');
    await pass(addresses, wanted);
    await resync(addresses, wanted);
    expect((await seen()).addresses).toEqual(['10.9.0.1/32']);
    expect(addresses.state).toMatchObject({
      bound: ['10.9.0.1'],
      elsewhere: ['10.8.0.5 on own0', '2001:db8::5 on own0'],
      problems: [],
    });
    expect(log.text.match(/left there, not bound/g)).toHaveLength(1);
    await resync(addresses, set());
    expect((await seen('own0')).addresses).toEqual(['10.8.0.5/24', '2001:db8::5/128']);
    expect(addresses.state.elsewhere).toEqual([]);

    await ip('address del 10.8.0.5/24 dev own0');
    await resync(addresses, wanted);
    expect(addresses.state).toMatchObject({ bound: ['10.8.0.5', '10.9.0.1'], elsewhere: ['2001:db8::5 on own0'] });
  });

  test('are told beforehand, and nothing is touched, by a preview', async () => {
    const addresses = await start();
    expect(await addresses.preview(set('10.9.0.1'))).toEqual({ bind: ['10.9.0.1'], unbind: [] });
    expect(await exists(DEVICE)).toBe(false);
    await pass(addresses, set('10.9.0.1'));
    expect(await addresses.preview(set('10.9.0.2'))).toEqual({ bind: ['10.9.0.2'], unbind: ['10.9.0.1'] });
    expect((await seen()).addresses).toEqual(['10.9.0.1/32']);
  });
});

describe('trouble with virtual addresses is a problem, and all others are bound', () => {
  test('where an address is none to be bound', async () => {
    const addresses = await start();
    await pass(addresses, set('0.0.0.0', '224.0.0.1', '10.9.0.1', 'ff02::1', '2001:db8::1'));
    expect((await seen()).addresses).toEqual(['10.9.0.1/32', '2001:db8::1/128']);
    expect(addresses.state.problems).toEqual([
      { source: 'kernel', key: `${DEVICE} 0.0.0.0`, message: 'not bound: it is the unspecified address' },
      { source: 'kernel', key: `${DEVICE} 224.0.0.1, ff02::1`, message: 'not bound: it is a multicast address' },
    ]);
    await pass(addresses, set('10.9.0.1'));
    expect(addresses.state.problems).toEqual([]);
  });

  test('where an address is that of etcd, which would be cut off', async () => {
    etcd.set('10.9.0.5', 'etcd1:2379');
    const addresses = await start();
    expect(await addresses.preview(set('10.9.0.5', '10.9.0.1'))).toEqual({ bind: ['10.9.0.1'], unbind: [] });
    await pass(addresses, set('10.9.0.5', '10.9.0.1'));
    expect((await seen()).addresses).toEqual(['10.9.0.1/32']);
    expect(addresses.state.problems).toEqual([
      {
        source: 'kernel',
        key: `${DEVICE} 10.9.0.5`,
        message:
          'not bound: it is the address of etcd (etcd1:2379), which could not be reached from this machine any more',
      },
    ]);
  });

  test('where an address is that of an etcd on this machine, it is none', async () => {
    await ip('link add own0 type dummy');
    await ip('link set own0 up');
    await ip('address add 10.9.0.5/24 dev own0');
    etcd.set('10.9.0.5', '10.9.0.5:2379');
    const addresses = await start();
    await pass(addresses, set('10.9.0.5'));
    expect(addresses.state).toMatchObject({ bound: [], elsewhere: ['10.9.0.5 on own0'], problems: [] });
  });

  test('where the device was given another name, which keeps its addresses, until that is gone', async () => {
    const addresses = await start();
    const wanted = set('10.9.0.1', '10.9.0.2');
    await pass(addresses, wanted);
    await ip(`link set ${DEVICE} down`);
    await ip(`link set ${DEVICE} name own0`);
    await ip('link set own0 up');
    await resync(addresses, wanted);
    expect((await seen()).addresses).toEqual(['10.9.0.1/32', '10.9.0.2/32']);
    const problem = {
      source: 'kernel',
      key: DEVICE,
      message: `the device own0 has addresses of ours too: 10.9.0.1, 10.9.0.2. Remove them there, or all of own0 if it is ${DEVICE} under another name`,
    };
    expect(addresses.state.problems).toEqual([problem]);
    const restarted = await start();
    await pass(restarted, wanted);
    expect(restarted.state.problems).toEqual([problem]);
    await ip('link delete own0');
    await resync(restarted, wanted);
    expect(restarted.state).toMatchObject({ bound: ['10.9.0.1', '10.9.0.2'], elsewhere: [], problems: [] });
  });

  test('where IPv6 is disabled, until it is enabled', async () => {
    await run('sysctl', ['-w', 'net.ipv6.conf.default.disable_ipv6=1']);
    const addresses = await start();
    const wanted = set('10.9.0.1', '2001:db8::1', '2001:db8::2', '10.9.0.2');
    try {
      await pass(addresses, wanted);
    } finally {
      await run('sysctl', ['-w', 'net.ipv6.conf.default.disable_ipv6=0']);
    }
    expect((await seen()).addresses).toEqual(['10.9.0.1/32', '10.9.0.2/32']);
    const message = `not bound: IPv6 is disabled on the device: sysctl net.ipv6.conf.${DEVICE}.disable_ipv6=0`;
    expect(addresses.state.problems).toEqual([
      { source: 'kernel', key: `${DEVICE} 2001:db8::1, 2001:db8::2`, message },
    ]);
    await run('sysctl', ['-w', `net.ipv6.conf.${DEVICE}.disable_ipv6=0`]);
    await resync(addresses, wanted);
    expect((await seen()).addresses).toHaveLength(4);
    expect(addresses.state.problems).toEqual([]);
  });

  test('where somebody has put the same IPv6 address there with a prefix', async () => {
    const addresses = await start();
    await addresses.bind(set());
    await ip(`address add 2001:db8::1/64 dev ${DEVICE} nodad`);
    await resync(addresses, set('2001:db8::1', '2001:db8::2'));
    expect((await seen()).addresses).toEqual(['2001:db8::1/64', '2001:db8::2/128']);
    expect(addresses.state.problems).toEqual([
      {
        source: 'kernel',
        key: `${DEVICE} 2001:db8::1`,
        message: 'not bound: somebody has put 2001:db8::1/64 on the device',
      },
    ]);
    await addresses.withdraw();
    expect((await seen()).addresses).toEqual(['2001:db8::1/64']);
  });

  test('where the device is somebody else’s and down, until it is up', async () => {
    await ip(`link add ${DEVICE} type dummy`);
    const addresses = await start();
    await pass(addresses, set('10.9.0.1'));
    expect(await seen()).toMatchObject({ up: false, addresses: [] });
    expect(addresses.state.problems).toEqual([
      {
        source: 'kernel',
        key: DEVICE,
        message: `the device is down and was not made by us: ip link set ${DEVICE} up`,
      },
    ]);
    await ip(`link set ${DEVICE} up`);
    await resync(addresses, set('10.9.0.1'));
    expect(addresses.state).toMatchObject({ bound: ['10.9.0.1'], problems: [] });
  });

  test('where the state cannot be written, until it can', async () => {
    await rm(directory, { recursive: true });
    await run('touch', [directory]);
    const state = await load();
    const addresses = open(DEVICE, state);
    await pass(addresses, set('10.9.0.1'));
    expect((await seen()).addresses).toEqual(['10.9.0.1/32']);
    expect(state.problem).toMatchObject({ source: 'state', key: 'addresses.json' });
    await rm(directory);
    await state.verify();
    expect(state.problem).toBeUndefined();
    expect(await readFile(join(directory, 'addresses.json'), 'utf8')).toContain('10.9.0.1');
  });

  test('where we have no right to change the network', async () => {
    const module = new URL('../dist/addresses/index.js', `file://${join(process.cwd(), 'packages/ipvs-agent/test/')}`);
    const script = `
      import { VirtualAddresses, NO_ADDRESSES } from '${module.href}';
      const log = { warn() {}, info() {} };
      const state = { value: NO_ADDRESSES, write: async () => {} };
      const addresses = VirtualAddresses.open({ interface: '${DEVICE}', state, etcdAt() {}, log });
      await addresses.bind(new Set(['10.9.0.1']));
      const without = JSON.stringify(addresses.state.problems);
      addresses.close();
      console.log(without);`;
    const { stdout } = await run('setpriv', [
      '--bounding-set=-net_admin',
      process.execPath,
      '--input-type=module',
      '--eval',
      script,
    ]);
    expect(JSON.parse(stdout)).toEqual([
      {
        source: 'kernel',
        key: DEVICE,
        message: `make ${DEVICE}: not permitted: needs CAP_NET_ADMIN in the network namespace (EPERM)`,
      },
    ]);
  });
});

describe('a neighbour on the same Ethernet', () => {
  beforeEach(async () => {
    await ip('netns add neighbour');
    await ip('link add near type veth peer name far netns neighbour');
    await ip('address add 10.7.0.1/24 dev near');
    await ip('link set near up');
    await ip('-n neighbour address add 10.7.0.2/24 dev far');
    await ip('-n neighbour link set far up');
  });
  afterEach(async () => {
    await ip('netns delete neighbour');
    for (const { name } of ARP_SYSCTLS) await run('sysctl', ['-w', `${name}=0`]);
  });

  test('is answered for a virtual address by default, and no longer with the ARP sysctls set', async () => {
    await pass(await start(), set('10.9.0.1', '2001:db8::1'));
    expect(await neighbour('busybox arping -c 3 -f -I far 10.9.0.1')).toBe(true);
    for (const { name, value } of ARP_SYSCTLS) await run('sysctl', ['-w', `${name}=${value}`]);
    expect(await neighbour('busybox arping -c 3 -f -I far 10.9.0.1')).toBe(false);
    // The machine's own address on that device is answered for as ever.
    expect(await neighbour('busybox arping -c 3 -f -I far 10.7.0.1')).toBe(true);
  });

  test('is never answered for one of IPv6 that is on another device', async () => {
    await pass(await start(), set('2001:db8::1'));
    await ip('address add 2001:db8:7::1/64 dev near nodad');
    await ip('-n neighbour address add 2001:db8:7::2/64 dev far nodad');
    await ip('-n neighbour route add 2001:db8::1/128 dev far');
    expect(await neighbour('busybox ping6 -c 3 -W 2 2001:db8:7::1')).toBe(true);
    expect(await neighbour('busybox ping6 -c 1 -W 2 2001:db8::1')).toBe(false);
  });
});
