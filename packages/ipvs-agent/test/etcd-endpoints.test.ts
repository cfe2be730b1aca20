import { describe, expect, test } from '@jest/globals';
import type { VirtualServiceId } from '@clusterf/ipvs';
import { until } from '../../../test/fixtures/until.js';
import { ManualClock } from '../../daemon/test/manual-clock.js';
import { EtcdEndpoints } from '../src/etcd-endpoints.js';
import { MemoryKernel } from './memory-kernel.js';
import { RunningAgent, started, TREE, WEB, WEB_KEY } from './running-agent.js';
import { ScriptedSource } from './scripted-source.js';

const tcp = (address: string, port: number): VirtualServiceId => ({
  family: address.includes(':') ? 'ipv6' : 'ipv4',
  protocol: 'tcp',
  address,
  port,
});

const nobody = async (): Promise<string[]> => {
  throw new Error('ENOTFOUND');
};

describe('where etcd is', () => {
  test.each<[string, string, VirtualServiceId, string | undefined]>([
    ['its address and port', '10.0.0.5:2379', tcp('10.0.0.5', 2379), '10.0.0.5:2379'],
    ['one of IPv6', '[2001:db8::5]:2379', tcp('2001:db8::5', 2379), '[2001:db8::5]:2379'],
    ['another port', '10.0.0.5:2379', tcp('10.0.0.5', 80), undefined],
    ['another address', '10.0.0.5:2379', tcp('10.0.0.6', 2379), undefined],
    ['another protocol', '10.0.0.5:2379', { ...tcp('10.0.0.5', 2379), protocol: 'udp' }, undefined],
    ['a firewall mark', '10.0.0.5:2379', { family: 'ipv4', fwmark: 2379 }, undefined],
  ])('%s', (_, host, id, expected) => {
    const etcd = new EtcdEndpoints({ hosts: ['h:1', host], lookUp: nobody, clock: new ManualClock() });
    expect(etcd.servedAt(id)).toBe(expected);
  });

  test('a name stands for the addresses it has now, and keeps them while it cannot be looked up', async () => {
    let answers: string[] | undefined = ['10.0.0.5', '2001:DB8::5'];
    const lookUp = async () => answers ?? nobody();
    const etcd = new EtcdEndpoints({ hosts: ['etcd1:2379'], lookUp, clock: new ManualClock() });
    expect(etcd.at('10.0.0.5')).toBeUndefined();
    expect(await etcd.refresh()).toBe(true);
    expect([etcd.at('10.0.0.5'), etcd.at('2001:db8::5'), etcd.at('10.0.0.6')]).toEqual([
      'etcd1:2379',
      'etcd1:2379',
      undefined,
    ]);
    answers = undefined;
    expect(await etcd.refresh()).toBe(false);
    expect(etcd.at('10.0.0.5')).toBe('etcd1:2379');
    answers = ['10.0.0.6'];
    expect(await etcd.refresh()).toBe(true);
    expect([etcd.at('10.0.0.5'), etcd.at('10.0.0.6')]).toEqual([undefined, 'etcd1:2379']);
  });

  test('a name server that does not answer is waited for no longer than a second', async () => {
    const clock = new ManualClock();
    const etcd = new EtcdEndpoints({ hosts: ['etcd1:2379'], lookUp: () => new Promise(() => {}), clock });
    const refreshed = etcd.refresh();
    await clock.advance(1000);
    expect(await refreshed).toBe(false);
    expect(clock.timers).toBe(0);
  });
});

describe('a frontend where this balancer reaches etcd', () => {
  test('is not published, others are, and the problem says why', async () => {
    const { kernel, agent } = await started(
      { ...TREE, 'services/self/frontend': { ipv4: '10.0.0.5', tcp: 2379, udp: 2379 } },
      { etcd: ['10.0.0.5:2379'] },
    );
    expect([...kernel.table.keys()].toSorted()).toEqual([WEB_KEY, 'udp 10.0.0.5:2379']);
    expect(agent.agent.status().problems).toEqual([
      {
        source: 'plan',
        key: 'services/self/frontend',
        message:
          'tcp 10.0.0.5:2379 is where this balancer reaches etcd (10.0.0.5:2379): it would cut itself off; not published',
      },
    ]);
  });

  test('goes when the name that etcd is reached by turns out to stand for its address', async () => {
    let address = '10.0.0.5';
    const source = new ScriptedSource();
    const kernel = new MemoryKernel();
    const agent = await RunningAgent.start([source], kernel, { etcd: ['etcd1:80'], lookUp: () => [address] });
    source.snapshot({ 'services/web/frontend': WEB });
    await until('the first pass', () => kernel.table.has(WEB_KEY));
    address = WEB.ipv4;
    await agent.clock.advance(30_000);
    await until('it to be gone', () => !kernel.table.has(WEB_KEY));
    expect(agent.agent.status().problems).toMatchObject([{ key: 'services/web/frontend' }]);
  });
});
