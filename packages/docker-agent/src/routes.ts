import {
  checkName,
  encodeRoute,
  parsePrefix,
  routeKey,
  type Family,
  type ForwardingMethod,
  type Prefix,
  type Problem,
} from '@clusterf/model';
import type { NetworkState } from './container.js';

export interface RouteOptions {
  readonly hostName: string;
  readonly routeNetworks: readonly string[];
  /** Where balancers send what is for the networks' backends; absent = straight to them. */
  readonly routeGateway4: string | undefined;
  readonly routeGateway6: string | undefined;
  readonly routeMethod: ForwardingMethod | undefined;
}

export interface Routes {
  readonly entries: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

/**
 * One route for each subnet of the networks to advertise: `routes/<host>-<network>-<family>`, further subnets of
 * a family numbered from 2 in the order of their text.
 */
export function routes(networks: readonly NetworkState[], options: RouteOptions): Routes {
  const entries = new Map<string, string>();
  const problems: Problem[] = [];
  for (const wanted of options.routeNetworks) {
    const report = (message: string) => problems.push({ source: 'docker', key: `network ${wanted}`, message });
    const network = networks.find(({ name }) => name === wanted);
    if (network === undefined) {
      report('--route-network names a network that Docker does not have');
      continue;
    }
    if (network.subnets.length === 0) report('the network has no subnet to advertise');
    const prefixes = network.subnets.map((subnet) => parsePrefix(subnet)).filter((prefix) => prefix.ok);
    for (const family of ['ipv4', 'ipv6'] as const) {
      const ofFamily = prefixes.map(({ value }) => value).filter((prefix) => prefix.family === family);
      for (const [index, prefix] of ofFamily.toSorted((a, b) => (a.text < b.text ? -1 : 1)).entries()) {
        const name = `${options.hostName}-${wanted}-${family}${index === 0 ? '' : `-${index + 1}`}`;
        const checked = checkName(name);
        if (checked.ok) entries.set(routeKey(name), encode(prefix, family, options));
        else report(checked.message);
      }
    }
  }
  return { entries, problems };
}

function encode(prefix: Prefix, family: Family, options: RouteOptions): string {
  const gateway = family === 'ipv4' ? options.routeGateway4 : options.routeGateway6;
  return encodeRoute({
    prefix: prefix.text,
    ...(gateway === undefined ? {} : { gateway }),
    ...(options.routeMethod === undefined ? {} : { ipvsMethod: options.routeMethod }),
    priority: 0,
  });
}
