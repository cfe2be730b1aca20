import { type Backend, ConfigTree, type Frontend, type Service } from '@clusterf/model';
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
    return row(name, tree.config.services.get(name) ?? { backends: new Map() }, problems.get(name)?.size ?? 0);
  });
  return asTable(['SERVICE', 'ADDRESS', 'PORTS', 'SCHEDULER', 'BACKENDS', 'PROBLEMS'], rows);
}

function row(name: string, { frontend, backends }: Service, problems: number): readonly string[] {
  const bad = problems === 0 ? '-' : `${problems} (clusterf validate)`;
  return [name, ...described(frontend), counted([...backends.values()]), bad];
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

function counted(backends: readonly Backend[]): string {
  const idle = backends.filter(({ weight }) => weight === 0).length;
  return idle === 0 ? String(backends.length) : `${backends.length} (${idle} of weight 0)`;
}
