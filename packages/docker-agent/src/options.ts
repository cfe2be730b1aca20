import { hostname } from 'node:os';
import { checkName, parseAddress, type Family } from '@clusterf/model';
import { defineCommand, httpListenOption, type OptionsOf, UsageError } from '@clusterf/daemon';
import { etcdFlags } from '@clusterf/store';
import { endpointProblem } from './docker-endpoint.js';
import { type AllowedFrontend, parseAllowedFrontend } from './allowed-frontends.js';
import type { HostAddresses } from './host-addresses.js';
import { HOST_GATEWAY } from './routes.js';

const gateway = (family: Family) => (text: string) =>
  text === HOST_GATEWAY || parseAddress(text, family).ok
    ? undefined
    : `an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address, or host`;

/** A host that others reach has no unspecified address; whether they reach it at loopback is for them to know. */
const isHostAddress = (text: string) =>
  parseAddress(text).ok && text !== '0.0.0.0' && text !== '::' ? undefined : 'an IPv4 or IPv6 address of this host';

const positive = (ms: number) => (ms > 0 ? undefined : 'longer than nothing');

export const command = defineCommand({
  command: 'clusterf-docker',
  summary:
    "Registers this host's labelled containers as backends in the configuration tree, for as long as they run.\n" +
    'Labels: clusterf.service, clusterf.backend[:<service>].{tcp,udp,sctp,weight,network,publish},\n' +
    'clusterf.frontend[:<service>].{ipv4,ipv6,tcp,udp,sctp,…}; see docs/labels.md.',
  version: '0.1.0',
  options: {
    'config-source': {
      type: 'string',
      default: 'etcd:',
      group: 'Configuration tree',
      describe: 'where to register: etcd://[HOST[:PORT],…]/PREFIX, etcd+http: or etcd+https:',
    },
    ttl: {
      type: 'duration',
      default: '10s',
      alias: 'etcd-ttl',
      group: 'Configuration tree',
      check: (ms) => (ms >= 1_000 ? undefined : 'at least 1s'),
      describe: 'how long registrations outlive the agent',
    },
    ...etcdFlags,
    'docker-endpoint': {
      type: 'string',
      group: 'Docker',
      check: endpointProblem,
      defaultText: 'DOCKER_HOST, else unix:///var/run/docker.sock',
      describe: 'where dockerd listens; TLS as DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say',
    },
    resync: {
      type: 'duration',
      default: '60s',
      group: 'Docker',
      check: positive,
      describe: 'how often to list all containers, events or not',
    },
    'inspect-parallel': {
      type: 'integer',
      min: 1,
      max: 256,
      default: 8,
      group: 'Docker',
      describe: 'inspects under way at once',
    },
    'min-uptime': {
      type: 'duration',
      default: '0s',
      group: 'Registration',
      describe: 'how long a container has to have run since its last start to be registered, against crash loops',
    },
    'host-name': {
      type: 'string',
      group: 'Registration',
      check: (name) => (checkName(name).ok ? undefined : 'a name without / and control characters'),
      defaultText: "the machine's host name",
      describe: "this Docker host's name in backends and routes",
    },
    network: {
      type: 'string',
      group: 'Registration',
      describe: 'Docker network whose addresses to register where no label says',
    },
    'host-address': {
      type: 'list',
      group: 'Registration',
      check: isHostAddress,
      defaultText: 'what the default routes send from',
      describe:
        "where other machines reach this host, for published ports and containers on the host's network; " +
        'repeatable, one for each family',
    },
    'allow-frontend': {
      type: 'list',
      group: 'Registration',
      check: (text) =>
        parseAllowedFrontend(text).ok
          ? undefined
          : 'CIDR[:PORTS] such as 10.107.0.0/16 or 2001:db8::/64:80,8000-8999, or fwmark:MARKS',
      defaultText: 'none',
      describe: 'publish frontends from labels within CIDR[:PORTS], or by firewall marks fwmark:MARKS; repeatable',
    },
    'require-exposed': {
      type: 'boolean',
      group: 'Registration',
      describe: 'register only ports that the image exposes or the container publishes, as the original program did',
    },
    'route-network': {
      type: 'list',
      group: 'Routes',
      describe: 'advertise the subnets of this Docker network; repeatable',
    },
    'route-gateway4': {
      type: 'string',
      group: 'Routes',
      check: gateway('ipv4'),
      describe: 'gateway of IPv4 routes; host = this host, by --host-address',
    },
    'route-gateway6': {
      type: 'string',
      group: 'Routes',
      check: gateway('ipv6'),
      describe: 'gateway of IPv6 routes; host = this host, by --host-address',
    },
    'route-ipvs-method': {
      type: 'choice',
      choices: ['masq', 'droute', 'tunnel'],
      group: 'Routes',
      describe: 'forwarding method of the routes; a route without one excludes its backends',
    },
    'exit-flush': {
      type: 'boolean',
      group: 'Running',
      describe: 'remove the registrations on exit, rather than leave them to their TTL for the next agent to take over',
    },
    'exit-drain': {
      type: 'duration',
      group: 'Running',
      describe:
        'on exit, set all weights to 0, wait so long, then remove the registrations; a second signal ends at once',
    },
    once: {
      type: 'boolean',
      group: 'Running',
      describe: 'register what runs now and exit; the registrations last for --ttl',
    },
    print: {
      type: 'boolean',
      group: 'Running',
      describe: 'print the registrations to standard output at every change',
    },
    explain: {
      type: 'string',
      group: 'Running',
      // What Docker takes for a name or an id; anything else could lead a request elsewhere.
      check: (name) => (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name) ? undefined : "a container's name or id"),
      describe: 'say for this container, by name or id, why it is or is not a backend, and exit',
    },
    noop: { type: 'boolean', group: 'Running', describe: 'write nothing to the configuration tree' },
    'http-listen': httpListenOption(9781),
  },
});

export type AgentOptions = OptionsOf<typeof command>;

/** The machine's name, where no option says otherwise. */
export function hostName(options: AgentOptions): string {
  return options.hostName ?? hostname();
}

/** Where dockerd is: the option, else Docker's own variable, else Docker's own default. */
export function dockerEndpoint(options: AgentOptions, env: Readonly<Record<string, string | undefined>>): string {
  return options.dockerEndpoint ?? (env['DOCKER_HOST'] || 'unix:///var/run/docker.sock');
}

/** @throws UsageError for two addresses of one family: which is meant? */
export function givenAddresses({ hostAddress: texts }: AgentOptions): HostAddresses {
  const addresses = texts.map((text) => parseAddress(text)).flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
  const given = Object.fromEntries(
    addresses.map(({ family, text }) => [family, { value: text, from: '--host-address' }]),
  );
  if (Object.keys(given).length < addresses.length) {
    throw new UsageError(`--host-address: ${texts.join(' ')}: expected one IPv4 and one IPv6 address at most`);
  }
  return given;
}

export function allowedFrontends({ allowFrontend }: AgentOptions): readonly AllowedFrontend[] {
  return allowFrontend.map((text) => parseAllowedFrontend(text)).flatMap((parsed) => (parsed.ok ? [parsed.value] : []));
}
