import { command as docker, type AgentOptions } from '@clusterf/docker-agent';
import { defineCommand, httpListenOption, type OptionsOf, UsageError } from '@clusterf/daemon';
import { command as ipvs, type CommandOptions, PROFILE_NAMES } from '@clusterf/ipvs-agent';
import { etcdOptions, parseSourceUrl } from '@clusterf/store';
import { VERSION } from '../version.js';

/** How an option is given that has a default here and is off in the agents' own commands. */
const NONE = 'none';
const TREE = 'Tree';

// The agents' options as they are, but for those that both have, or that would say something else here.
const {
  'config-source': _registry,
  explain: _explain,
  print: _entries,
  'allow-frontend': allowFrontend,
  ...dockerOptions
} = docker.options;
const { 'config-source': _sources, clear: _clear, debug: _debug, ...ipvsOptions } = ipvs.options;

/** One machine is Docker host and balancer: the options of both agents, with defaults for a machine that stands alone. */
export const command = defineCommand({
  command: 'clusterf up',
  summary:
    'Publishes the labelled containers of this machine on virtual addresses of its own: both agents in one process.\n' +
    'The tree is in memory; with --etcd the machine joins a cluster. Needs root and a kernel with ip_vs; see docs/up.md.',
  version: VERSION,
  options: {
    etcd: {
      type: 'string',
      group: TREE,
      describe: 'join the cluster whose tree is in this etcd: HOST[:PORT],…[/PREFIX], or a URL as for --config-source',
      defaultText: 'none: this machine alone',
    },
    'config-source': {
      type: 'list',
      group: TREE,
      describe:
        'read this too: file:///DIRECTORY or etcd://HOST:PORT,…/PREFIX; repeatable, later ones override. ' +
        'An etcd among them is joined as by --etcd',
    },
    'allow-frontend': allowFrontend,
    ...dockerOptions,
    ...ipvsOptions,
    'host-name': {
      ...docker.options['host-name'],
      group: TREE,
      describe: "this machine's name in the tree, as Docker host and as balancer",
    },
    'balancer-name': {
      ...ipvs.options['balancer-name'],
      group: TREE,
      describe: "this machine's name as a balancer, where it is to have another",
      defaultText: '--host-name',
    },
    'filter-routes': { ...ipvs.options['filter-routes'], group: TREE },
    'only-host': { ...ipvs.options['only-host'], group: TREE },
    ttl: {
      ...docker.options.ttl,
      group: TREE,
      describe: 'how long what this machine has put into etcd outlives the process',
    },
    resync: {
      ...docker.options.resync,
      group: 'Running',
      default: '30s',
      describe: 'time between looks at all containers and at the whole kernel table, whatever was heard of them',
    },
    'vip-interface': {
      ...ipvs.options['vip-interface'],
      default: 'clusterf0',
      describe: 'device that the virtual addresses are put on, made if it is missing; or none',
    },
    profile: {
      ...ipvs.options.profile,
      choices: [...PROFILE_NAMES, NONE],
      default: 'standalone',
      describe: 'keep kernel settings as this kind of balancer needs them, or none',
    },
    once: {
      ...ipvs.options.once,
      describe: 'put into the kernel what runs now, and exit',
    },
    noop: {
      ...ipvs.options.noop,
      describe: 'read Docker, the tree and the kernel, print the operations, write nothing',
    },
    'http-listen': httpListenOption(9780),
  },
});

export type UpOptions = OptionsOf<typeof command>;

/** Where the tree is. */
export interface TreePlace {
  /** URLs of what is read beside the labels of this machine's containers. */
  readonly sources: readonly string[];
  /** The URL of the etcd that this machine registers in; undefined = in memory. */
  readonly registry: string | undefined;
}

/**
 * @throws ConfigurationError for what is no URL of a source
 * @throws UsageError for what has no meaning without an etcd
 */
export function treePlace(options: UpOptions): TreePlace {
  const isEtcd = (url: string) => parseSourceUrl(url, etcdOptions(options)).type === 'etcd';
  const given = options.etcd === undefined ? [] : [etcdUrl(options.etcd)];
  const named = [...given, ...options.configSource];
  // Who says where etcd is wants it.
  const sources = options.etcdHost.length > 0 && !named.some(isEtcd) ? ['etcd:', ...named] : named;
  const registry = sources.find(isEtcd);
  if (registry === undefined && options.exitFlush) {
    throw new UsageError(
      '--exit-flush is for a cluster (--etcd): alone, what is registered ends with this process. ' +
        'To take the virtual addresses away at the end, use --exit-withdraw',
    );
  }
  return { sources, registry };
}

/** `h1,h2:2379/prefix` as a URL; what is one already as it is. */
function etcdUrl(text: string): string {
  return /^[a-z+]+:(\/\/|$)/.test(text) ? text : `etcd://${text}`;
}

/** What the docker-agent is told. @param tree where it registers */
export function dockerAgentOptions(options: UpOptions, tree: string): AgentOptions {
  return { ...options, configSource: tree, explain: undefined, httpListen: NONE };
}

/** What the balancer's agent is told. @param sources URLs of all its sources */
export function balancerOptions(options: UpOptions, sources: readonly string[]): CommandOptions {
  const { balancerName, hostName, vipInterface, profile } = options;
  return {
    ...options,
    configSource: sources,
    balancerName: balancerName ?? hostName,
    vipInterface: vipInterface === NONE ? undefined : vipInterface,
    profile: PROFILE_NAMES.find((name) => name === profile),
    httpListen: NONE,
    clear: false,
  };
}
