/** An overview for a person to read. */
import { asTable, onOneLine } from '../output.js';
import { type Finding, some } from './findings.js';
import type { BalancerView, HostView, Life, Overview, ServiceView } from './overview.js';

export function overviewText(view: Overview, findings: readonly Finding[]): string {
  const { url, balancers, hosts, services, routes } = view;
  const backends = services.reduce((sum, service) => sum + service.backends, 0);
  const blocks = [
    `${url}: ${some(services.length, 'service')}, ${some(backends, 'backend')}, ${some(routes, 'route')}\n`,
    ...(balancers.length > 0 ? [balancerTable(balancers)] : []),
    ...(hosts.length > 0 ? [hostTable(hosts)] : []),
    ...(services.length > 0 ? [serviceTable(services)] : []),
    findings.length === 0 ? 'All is well.\n' : findingLines(findings),
  ];
  return blocks.join('\n');
}

function balancerTable(balancers: readonly BalancerView[]): string {
  const isTiered = balancers.some(({ onlyHost }) => onlyHost !== undefined);
  const heading = [
    'BALANCER',
    'STATE',
    'LEASE',
    'VERSION',
    'VIRTUAL SERVICES',
    'DESTINATIONS',
    'TREE',
    'PROBLEMS',
    'HELD',
    'DRAINING',
    'FOREIGN',
  ];
  const rows = balancers.map((balancer) => [
    balancer.name,
    balancer.life === 'up' && balancer.ready === false ? 'starting' : stateOf(balancer),
    leaseOf(balancer),
    balancer.version ?? '-',
    figure(balancer.virtualServices),
    figure(balancer.destinations),
    balancer.current === undefined ? '-' : balancer.current ? 'current' : 'behind',
    figure(balancer.problems),
    `${figure(balancer.held)}${balancer.brake === true ? ' (brake)' : ''}`,
    figure(balancer.draining),
    figure(balancer.foreign),
    ...(isTiered ? [balancer.onlyHost ?? '-'] : []),
  ]);
  return asTable([...heading, ...(isTiered ? ['ONLY HOST'] : [])], rows);
}

function hostTable(hosts: readonly HostView[]): string {
  return asTable(
    ['DOCKER HOST', 'STATE', 'LEASE', 'VERSION', 'CONTAINERS', 'BACKENDS', 'PROBLEMS'],
    hosts.map((host) => [
      host.name,
      stateOf(host),
      leaseOf(host),
      host.version ?? '-',
      figure(host.containers),
      figure(host.backends),
      figure(host.problems),
    ]),
  );
}

function serviceTable(services: readonly ServiceView[]): string {
  return asTable(
    ['SERVICE', 'PUBLISHED AT', 'SCHEDULER', 'BACKENDS', 'TAKING', 'WEIGHT'],
    services.map(({ name, virtualServices, scheduler, backends, taking, weight, drained }) => [
      name,
      virtualServices.join(', ') || '-',
      scheduler ?? '-',
      `${backends}${drained > 0 ? ` (${drained} drained)` : ''}`,
      figure(taking),
      figure(weight),
    ]),
  );
}

const STATES: Readonly<Record<Life, string>> = {
  up: 'up',
  late: 'lapsing',
  ended: 'ended',
  gone: 'gone',
  unleased: 'no lease',
};

function stateOf({ life, drained }: Pick<HostView, 'life' | 'drained'>): string {
  return drained === undefined ? STATES[life] : `${STATES[life]}, drained`;
}

function leaseOf({ leaseLeft }: Pick<HostView, 'leaseLeft'>): string {
  return leaseLeft === undefined ? '-' : `${Math.max(0, leaseLeft)}s`;
}

function figure(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}

function findingLines(findings: readonly Finding[]): string {
  const lines = findings.map(({ about, message }) => `! ${onOneLine(about)}: ${onOneLine(message)}\n`);
  return lines.join('');
}
