/** A machine that is to be no balancer any more: `--clear`. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { requireMachine } from '../../../test/lab/index.js';
import { ipvsadm, run, Site, table, untilReady, untilTable } from './site.js';
import { lines, web } from './web.js';

const DEVICE = 'clusterf0';
const FOREIGN = ['-A -t 10.9.9.9:443 -s wlc'];
const OPTIONS = ['--vip-interface', DEVICE, '--masquerade', '172.76.0.0/14', '--profile', 'standalone'];
const QUICK = ['--print', '--resync', '200ms'];

beforeAll(async () => {
  requireMachine();
  for (const line of ['link add sync0 type dummy', 'addr add 10.9.0.1/24 dev sync0', 'link set sync0 up'])
    await run('ip', line.split(' '));
});
afterAll(async () => {
  await run('ip', ['link', 'del', 'sync0']);
});

/** What an agent leaves behind beside the table: devices, sync daemons, rules. */
async function surroundings(): Promise<string> {
  const commands = [['ip', '-br', 'address'], ['ipvsadm', '--list', '--daemon'], ['iptables-save']];
  const texts = await Promise.all(commands.map(async ([program = '', ...words]) => (await run(program, words)).stdout));
  return texts
    .join('')
    .split('\n')
    .filter((line) => !line.startsWith('#') && !/^(\*|:|COMMIT)/.test(line))
    .join('\n');
}

test('takes away all that the agent put into the kernel, at once, and nothing of anybody else’s', async () => {
  await using site = await Site.make({ ...web('abcd'), sync: { interface: 'sync0', syncId: 7, role: 'master' } });
  await ipvsadm('-A', '-t', '10.9.9.9:443');
  const before = await surroundings();
  await using agent = site.start(...OPTIONS, ...QUICK);
  await untilReady(agent);
  await untilTable([...FOREIGN, ...lines('abcd')]);
  const during = await surroundings();
  for (const part of [DEVICE, 'master sync daemon', 'CLUSTERF-MASQUERADE']) expect(during).toContain(part);
  await agent.stop();
  expect(await surroundings()).toBe(during);

  await using clearing = site.start(...OPTIONS, '--clear');
  expect(await clearing.exit()).toBe(0);
  expect(await table()).toEqual(FOREIGN);
  expect(await surroundings()).toBe(before);
});

test('refuses while an agent runs, which would only put it all back', async () => {
  await using site = await Site.make(web('a'));
  await using agent = site.start(...QUICK);
  await untilReady(agent);
  await using clearing = site.start('--clear');
  expect(await clearing.exit()).toBe(1);
  expect(await table()).toEqual(lines('a'));
});

test('does not wait for what drains', async () => {
  await using site = await Site.make(web('ab'));
  await site.once('--drain-timeout', '1h');
  await using clearing = site.start('--drain-timeout', '1h', '--clear');
  expect(await clearing.exit()).toBe(0);
  expect(await table()).toEqual([]);
});
