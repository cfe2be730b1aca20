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
import type { HostAddresses } from './host-addresses.js';

/** As a gateway: the address that other machines reach this host at. */
export const HOST_GATEWAY = 'host';

export interface RouteOptions {
  readonly hostName: string;
  readonly hostAddresses: HostAddresses;
  readonly routeNetworks: readonly string[];
  /** Where balancers send what is for the networks' backends: an address or `host`; absent = straight to them. */
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
  for (const wanted of new Set(options.routeNetworks)) {
    const report = (message: string) => void problems.push({ source: 'docker', key: `network ${wanted}`, message });
    const network = networks.find(({ name }) => name === wanted);
    if (network === undefined) {
      report('--route-network names a network that Docker does not have');
      continue;
    }
    const prefixes = readSubnets(network, report);
    for (const family of ['ipv4', 'ipv6'] as const) {
      const ofFamily = prefixes.filter((prefix) => prefix.family === family);
      if (ofFamily.length === 0) continue;
      const gateway = gatewayOf(family, options);
      if (!gateway.known) {
        // A route without its gateway would send straight to the containers, which is not what was asked for.
        report(
          `no ${family} route: the gateway is to be this host, whose address is not known; expected --host-address`,
        );
        continue;
      }
      for (const [index, prefix] of ofFamily.toSorted((a, b) => (a.text < b.text ? -1 : 1)).entries()) {
        const name = `${options.hostName}-${wanted}-${family}${index === 0 ? '' : `-${index + 1}`}`;
        const checked = checkName(name);
        if (checked.ok) entries.set(routeKey(name), encode(prefix, gateway.address, options.routeMethod));
        else report(checked.message);
      }
    }
  }
  return { entries, problems };
}

function readSubnets({ subnets }: NetworkState, report: (message: string) => void): readonly Prefix[] {
  if (subnets.length === 0) report('the network has no subnet to advertise');
  return subnets.flatMap((subnet) => {
    const prefix = parsePrefix(subnet);
    if (prefix.ok) return [prefix.value];
    report(`a subnet is not advertised: ${prefix.message}`);
    return [];
  });
}

type Gateway = { readonly known: true; readonly address: string | undefined } | { readonly known: false };

function gatewayOf(family: Family, { routeGateway4, routeGateway6, hostAddresses }: RouteOptions): Gateway {
  const gateway = family === 'ipv4' ? routeGateway4 : routeGateway6;
  if (gateway !== HOST_GATEWAY) return { known: true, address: gateway };
  const address = hostAddresses[family]?.value;
  return address === undefined ? { known: false } : { known: true, address };
}

function encode(prefix: Prefix, gateway: string | undefined, ipvsMethod: ForwardingMethod | undefined): string {
  return encodeRoute({
    prefix: prefix.text,
    ...(gateway === undefined ? {} : { gateway }),
    ...(ipvsMethod === undefined ? {} : { ipvsMethod }),
    priority: 0,
  });
}
