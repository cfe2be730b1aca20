/** What every part of the bench works with: etcd, a view of what is written there, and agents. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EtcdProcess, startEtcd } from '../../fixtures/etcd.js';
import { requireMachine } from '../../lab/index.js';
import { type Contender, startCommand } from '../contender.js';
import { openEtcd } from '../etcd-tree.js';
import { TreeWatch } from './tree-watch.js';

export interface Environment extends AsyncDisposable {
  readonly etcd: EtcdProcess;
  readonly tree: TreeWatch;
  /** Temporary, and empty at first. */
  readonly directory: string;
  readonly quick: boolean;
  /** Says what is going on. */
  readonly say: (text: string) => void;
  /** The agent with its default settings, but that it leaves nothing behind when it is stopped. */
  readonly startAgent: (endpoint: string) => Contender;
}

export async function prepareEnvironment({ quick }: { readonly quick: boolean }): Promise<Environment> {
  requireMachine();
  const directory = await mkdtemp(join(tmpdir(), 'clusterf-bench-'));
  const etcd = await startEtcd();
  const client = openEtcd(etcd);
  const tree = await TreeWatch.start(client);
  return {
    etcd,
    tree,
    directory,
    quick,
    say: (text) => void process.stderr.write(`${text}\n`),
    startAgent(endpoint) {
      const args = ['--config-source', `etcd://${etcd.host}`, '--docker-endpoint', endpoint, '--exit-flush'];
      return startCommand('clusterf-docker', args, join(directory, 'agent.log'));
    },
    async [Symbol.asyncDispose]() {
      await tree[Symbol.asyncDispose]();
      client.close();
      await etcd[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}
