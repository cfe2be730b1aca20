/** (a), (b): a table into an empty kernel, by each contender. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Contender } from '../contender.js';
import { startAgent } from './agent.js';
import type { Environment } from './environment.js';
import { replaceTree } from '../etcd-tree.js';
import { requireComplete, untilComplete } from './kernel-table.js';
import { markdownTable, seconds, times } from '../markdown.js';
import { commandsOf, keepalivedConfigurationOf, nameOf, rulesOf, type Shape, treeOf } from './shape.js';
import { median } from '../statistics.js';

const SHAPES: readonly Shape[] = [
  { services: 1000, destinations: 10 },
  { services: 10_000, destinations: 1 },
  { services: 1, destinations: 10_000 },
];

/** Milliseconds from its start until the kernel's table is complete. */
type Fill = (environment: Environment, shape: Shape) => Promise<number>;

const CONTENDERS: Readonly<Record<string, Fill>> = {
  'ipvsadm -R': byIpvsadm,
  'keepalived, from its start': byKeepalived,
  'our agent, from its start (etcd)': byAgent,
  'our library alone': byLibrary,
};

export async function measureFilling(environment: Environment): Promise<string> {
  const rows: string[][] = [];
  for (const shape of SHAPES) {
    await replaceTree(environment.client, treeOf(shape));
    const took = await typical(environment, shape);
    const reference = took.get('ipvsadm -R') ?? Number.NaN;
    for (const [name, time] of took) rows.push([nameOf(shape), name, seconds(time), times(reference, time)]);
  }
  return markdownTable(['services × destinations', 'by', 'median', 'faster than ipvsadm -R'], rows);
}

/** The medians, by contender. They take turns, so that what else the machine does falls on all alike. */
async function typical(environment: Environment, shape: Shape): Promise<Map<string, number>> {
  const took = new Map(Object.keys(CONTENDERS).map((name) => [name, Array<number>()]));
  for (let run = 0; run < environment.runs; run += 1) {
    for (const [name, fill] of Object.entries(CONTENDERS)) {
      await environment.clear();
      took.get(name)?.push(await fill(environment, shape));
    }
  }
  for (const [name, all] of took) environment.say(`${nameOf(shape)} by ${name}: ${all.map(seconds).join(', ')}`);
  return new Map([...took].map(([name, all]) => [name, median(all)]));
}

async function byIpvsadm({ directory }: Environment, shape: Shape): Promise<number> {
  const input = join(directory, 'rules');
  await writeFile(input, rulesOf(shape));
  await using ipvsadm = new Contender('ipvsadm', ['-R'], { input, log: join(directory, 'ipvsadm.log') });
  const took = await ipvsadm.finished();
  await requireComplete(shape);
  return took;
}

async function byKeepalived({ directory, kernel }: Environment, shape: Shape): Promise<number> {
  const configuration = join(directory, 'keepalived.conf');
  await writeFile(configuration, keepalivedConfigurationOf(shape));
  const files = ['--pid', '--checkers_pid'].flatMap((option) => [option, join(directory, `keepalived${option}`)]);
  const args = ['--check', '--dont-fork', '--log-console', '--use-file', configuration, ...files];
  await using keepalived = new Contender('keepalived', args, { log: join(directory, 'keepalived.log') });
  const complete = await untilComplete(kernel, shape);
  await keepalived.stop();
  return complete - keepalived.began;
}

async function byAgent({ directory, etcd, kernel }: Environment, shape: Shape): Promise<number> {
  await using agent = startAgent(directory, ['--config-source', `etcd://${etcd.host}`]);
  return (await untilComplete(kernel, shape)) - agent.began;
}

async function byLibrary({ kernel }: Environment, shape: Shape): Promise<number> {
  const commands = commandsOf(shape);
  const began = performance.now();
  const errors = await kernel.batch(commands);
  const took = performance.now() - began;
  const failed = errors.find((error) => error !== undefined);
  if (failed !== undefined) throw failed;
  await requireComplete(shape);
  return took;
}
