import { type Backend, type Config, ConfigTree, type Drains, type Frontend, type Service } from '@clusterf/model';
import type { Reading } from '@clusterf/store';
import { asTable } from '../output.js';

const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;

/** A line a service; a service that is only half there shows as that. */
export function summaryTable(reading: Reading): string {
  const tree = new ConfigTree(['tree']);
  tree.apply(0, { type: 'snapshot', entries: new Map([...reading].map(([path, { value }]) => [path, value])) });
  const problems = new Map<string, Set<string>>();
  for (const { key } of tree.problems) {
    const [top, service] = key.split('/');
    if (top !== 'services' || service === undefined) continue;
    problems.set(service, (problems.get(service) ?? new Set()).add(key));
  }
  const names = new Set([...tree.config.services.keys(), ...problems.keys()]);
  const rows = [...names].toSorted().map((name) => {
    return row(name, tree.config, problems.get(name)?.size ?? 0);
  });
  return asTable(['SERVICE', 'ADDRESS', 'PORTS', 'SCHEDULER', 'BACKENDS', 'PROBLEMS'], rows);
}

function row(name: string, { services, drains }: Config, problems: number): readonly string[] {
  const { frontend, backends = new Map() }: Partial<Service> = services.get(name) ?? {};
  const bad = problems === 0 ? '-' : `${problems} (clusterf validate)`;
  return [name, ...described(frontend), counted(name, backends, drains), bad];
}

/** Address, ports, scheduler. */
function described(frontend: Frontend | undefined): readonly string[] {
  if (frontend === undefined) return ['not published', '-', '-'];
  const addresses = [frontend.ipv4, frontend.ipv6].filter((address) => address !== undefined);
  const ports = PROTOCOLS.flatMap((protocol) =>
    frontend[protocol] === undefined ? [] : [`${protocol} ${frontend[protocol]}`],
  );
  const mark = frontend.fwmark === undefined ? [] : [`fwmark ${frontend.fwmark}`];
  return [addresses.join(', '), [...mark, ...ports].join(', '), frontend.scheduler ?? ''].map((text) => text || '-');
}

/** How many there are, and of those how many take no new connections: each counts once. */
function counted(service: string, backends: Service['backends'], { hosts, backends: single }: Drains): string {
  const isDrained = ([name, { host }]: readonly [string, Backend]) =>
    single.has(`${service}/${name}`) || (host !== undefined && hosts.has(host));
  const drained = [...backends].filter(isDrained).length;
  const idle = [...backends].filter((each) => each[1].weight === 0 && !isDrained(each)).length;
  const notes = [drained === 0 ? [] : `${drained} drained`, idle === 0 ? [] : `${idle} of weight 0`].flat();
  return notes.length === 0 ? String(backends.size) : `${backends.size} (${notes.join(', ')})`;
}
