/** A table of so many virtual services with so many destinations each, and how each contender is told of it. */
import type { Command, Destination, VirtualService, VirtualServiceId } from '@clusterf/ipvs';

export interface Shape {
  readonly services: number;
  readonly destinations: number;
}

export const WEIGHT = 10;
const SCHEDULER = 'wlc';

export function nameOf({ services, destinations }: Shape): string {
  return `${services.toLocaleString('en')} × ${destinations.toLocaleString('en')}`;
}

export function serviceName(index: number): string {
  return `s${String(index).padStart(5, '0')}`;
}

export function backendName(index: number): string {
  return `b${String(index).padStart(5, '0')}`;
}

export function serviceId(index: number): VirtualServiceId & { readonly address: string; readonly port: number } {
  return { family: 'ipv4', protocol: 'tcp', address: `10.64.${index >> 8}.${index & 255}`, port: 80 };
}

export function destination(index: number, weight = WEIGHT): Destination {
  const address = `10.65.${index >> 8}.${index & 255}`;
  return { family: 'ipv4', address, port: 8080, method: 'masq', weight, upperThreshold: 0, lowerThreshold: 0 };
}

function virtualService(index: number): VirtualService {
  return { id: serviceId(index), scheduler: SCHEDULER, schedulerFlags: 0, onePacket: false };
}

/** As the tree has it, by path below the prefix. */
export function treeOf(shape: Shape): Map<string, string> {
  const entries = new Map<string, string>();
  for (let service = 0; service < shape.services; service += 1) {
    entries.set(`services/${serviceName(service)}/frontend`, frontendValue(service));
    for (let index = 0; index < shape.destinations; index += 1) {
      entries.set(backendPath(service, index), backendValue(index));
    }
  }
  return entries;
}

export function backendPath(service: number, index: number): string {
  return `services/${serviceName(service)}/backends/${backendName(index)}`;
}

function frontendValue(service: number): string {
  return JSON.stringify({ ipv4: serviceId(service).address, tcp: 80 });
}

export function backendValue(index: number, weight = WEIGHT): string {
  return JSON.stringify({ ipv4: destination(index).address, tcp: 8080, weight });
}

/** As our library is told. */
export function commandsOf(shape: Shape): Command[] {
  const commands: Command[] = [];
  for (let service = 0; service < shape.services; service += 1) {
    commands.push({ command: 'newService', service: virtualService(service) });
    for (let index = 0; index < shape.destinations; index += 1) {
      commands.push({ command: 'newDestination', service: serviceId(service), destination: destination(index) });
    }
  }
  return commands;
}

/** As `ipvsadm -R` reads it. */
export function rulesOf(shape: Shape): string {
  const lines: string[] = [];
  for (let service = 0; service < shape.services; service += 1) {
    const virtual = `-t ${serviceId(service).address}:80`;
    lines.push(`-A ${virtual} -s ${SCHEDULER}`);
    for (let index = 0; index < shape.destinations; index += 1) {
      lines.push(`-a ${virtual} -r ${destination(index).address}:8080 -m -w ${WEIGHT}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** As keepalived.conf has it: no health checks, nothing else to do. */
export function keepalivedConfigurationOf(shape: Shape): string {
  const blocks = Array.from({ length: shape.services }, (_, service) => {
    const servers = Array.from(
      { length: shape.destinations },
      (__, index) => `  real_server ${destination(index).address} 8080 {\n    weight ${WEIGHT}\n  }\n`,
    );
    const head = `virtual_server ${serviceId(service).address} 80 {\n  lvs_sched ${SCHEDULER}\n  lvs_method NAT\n  protocol TCP\n`;
    return `${head}${servers.join('')}}\n`;
  });
  return `global_defs {\n}\n${blocks.join('')}`;
}
