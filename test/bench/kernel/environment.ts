/** What every part of the bench works with, in a machine of the lab. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { IpvsClient } from '@clusterf/ipvs';
import type { Etcd3 } from 'etcd3';
import { type EtcdProcess, startEtcd } from '../../fixtures/etcd.js';
import { requireMachine } from '../../lab/index.js';
import { openEtcd, replaceTree } from '../etcd-tree.js';
import type { Contender } from '../contender.js';
import { startAgent } from './agent.js';
import { untilComplete } from './kernel-table.js';
import { type Shape, treeOf } from './shape.js';

export interface Environment extends AsyncDisposable {
  readonly etcd: EtcdProcess;
  readonly client: Etcd3;
  readonly kernel: IpvsClient;
  /** Temporary, and empty at first. */
  readonly directory: string;
  /** How often each thing is measured. */
  readonly runs: number;
  readonly quick: boolean;
  /** Says what is going on. */
  readonly say: (text: string) => void;
  /** Makes the tree of that shape and starts an agent on it. @returns the agent, once the kernel's table is complete */
  agentOn(shape: Shape): Promise<Contender>;
  /** A kernel that has never had a virtual service, and an agent that remembers nothing. */
  clear(): Promise<void>;
}

export async function prepareEnvironment({ quick }: { readonly quick: boolean }): Promise<Environment> {
  requireMachine();
  const directory = await mkdtemp(join(tmpdir(), 'clusterf-bench-'));
  const etcd = await startEtcd();
  const client = openEtcd(etcd);
  const kernel = await IpvsClient.open({ timeout: 60_000 });
  const environment: Environment = {
    etcd,
    client,
    kernel,
    directory,
    quick,
    runs: quick ? 1 : 5,
    say: (text) => void process.stderr.write(`${text}\n`),
    async agentOn(shape) {
      await environment.clear();
      await replaceTree(client, treeOf(shape));
      const agent = startAgent(directory, ['--config-source', `etcd://${etcd.host}`]);
      await untilComplete(kernel, shape);
      return agent;
    },
    async clear() {
      await kernel.flush();
      await reloadIpvs();
      await kernel.rediscover();
      await rm(join(directory, 'state'), { recursive: true, force: true });
    },
    async [Symbol.asyncDispose]() {
      client.close();
      kernel.close();
      await etcd[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
  return environment;
}

const run = promisify(execFile);

/**
 * The kernel keeps removed destinations for two minutes (net/netfilter/ipvs/ip_vs_ctl.c: dest_trash) and looks through
 * all of them for each that is added: whoever fills the table second would take three times as long.
 */
async function reloadIpvs(): Promise<void> {
  const schedulers = await readdir('/sys/module/ip_vs/holders');
  await run('modprobe', ['--remove', ...schedulers, 'ip_vs']);
  await run('modprobe', ['ip_vs']);
}
