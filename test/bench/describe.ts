/** What was measured on. */
import { cpus, release, totalmem } from 'node:os';
import type { Machine } from '../lab/index.js';

const VERSIONS = {
  node: 'node --version',
  etcd: 'etcd --version | head -n 1',
  ipvsadm: 'ipvsadm --version | head -n 1',
  keepalived: 'keepalived --version 2>&1 | head -n 1',
  dockerd: 'dockerd --version',
  haproxy: 'haproxy -v | head -n 1',
  nginx: 'nginx -v 2>&1',
  iperf3: 'iperf3 --version | head -n 1',
} as const;

export type Program = keyof typeof VERSIONS;

export function describeHost(): string {
  const model = cpus()[0]?.model ?? 'an unknown processor';
  return `- Host: ${cpus().length} × ${model}, ${(totalmem() / 2 ** 30).toFixed(0)} GB, Linux ${release()}`;
}

/** @param programs whose versions matter */
export async function describeMachine(machine: Machine, programs: readonly Program[]): Promise<string> {
  const ask = async (command: string) => (await machine.output(command)).trim();
  const kind = machine.kind === 'uml' ? 'user-mode kernel, on one core of the host' : 'namespaces of the host’s kernel';
  const memory = await ask("sed -n 's/^MemTotal: *//p' /proc/meminfo");
  const versions = await Promise.all(programs.map(async (name) => `  - ${name}: ${await ask(VERSIONS[name])}`));
  return [`- Machine: ${kind}, Linux ${await ask('uname -r')}, ${memory}`, ...versions].join('\n');
}
