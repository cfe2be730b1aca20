/** keepalived's IPVS, without health checks: a server more in its configuration, and back. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from '../../cluster/cluster.js';
import { untilDestinations } from './kernel-table.js';
import type { Contender } from './measure.js';
import { addressOf, type MachineName, PORT, SERVICES } from './topology.js';

const { address } = SERVICES.keepalived;

export function keepalivedConfiguration(servers: readonly string[]): string {
  const real = servers.map((server) => `  real_server ${server} ${PORT} {\n    weight 10\n  }\n`).join('');
  return `global_defs {
}
virtual_server ${address} ${PORT} {
  lvs_sched rr
  lvs_method NAT
  protocol TCP
${real}}
`;
}

export async function startKeepalived(cluster: Cluster, directory: string): Promise<Contender> {
  const place = cluster.place('keepd');
  await place.ip(`address add ${address}/32 dev lo`);
  await place.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.vs.conn_reuse_mode=3');
  const path = join(directory, 'keepalived.conf');
  const servers = [addressOf('keepd1'), addressOf('keepd2')] as const;
  const configure = async (count: 1 | 2) => await writeFile(path, keepalivedConfiguration(servers.slice(0, count)));
  await configure(1);
  const files = ['--pid', '--checkers_pid'].flatMap((option) => [option, join(directory, `keepalived${option}`)]);
  const command = ['keepalived', '--check', '--dont-fork', '--log-console', '--use-file', path, ...files];
  const child = place.spawn(command, { log: 'keepalived' });
  const untilBalanced = async (count: 1 | 2) => await untilDestinations(child.pid ?? Number.NaN, address, count);
  await untilBalanced(1);
  const reload = async (count: 1 | 2) => {
    await configure(count);
    child.kill('SIGHUP');
    await untilBalanced(count);
  };
  return {
    title: 'keepalived: server written to its configuration and reloaded, and taken out of it',
    address,
    grow: async () => await reload(2),
    async shrink() {
      await reload(1);
      return 'keepd2' satisfies MachineName;
    },
  };
}
