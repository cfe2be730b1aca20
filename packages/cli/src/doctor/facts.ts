/** Everything that the checks judge by, gathered once. Plain data: what could not be found out is absent, or says why. */
import type { Desired } from '@clusterf/ipvs-agent';
import type { Backend, Config, Family, Prefix, Problem, Result, Route } from '@clusterf/model';
import type { EtcdExamination } from '@clusterf/store';
import type { KernelRoute } from './proc-net.js';
import type { RuleSet } from './rule-set.js';

export interface Facts {
  readonly ipvs: IpvsSettings | undefined;
  readonly docker: DockerSettings | undefined;
  /** The `clusterf up` that runs here, and whether its tree is in memory. */
  readonly up: { readonly pid: number; readonly inMemory: boolean } | undefined;
  /** Options that cannot be read. */
  readonly misconfigured: readonly string[];
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly network: Network;
  readonly firewall: Readonly<Record<Family, Firewall>>;
  readonly etcd: readonly EtcdExamination[];
  readonly tree: Tree | undefined;
  readonly engine: Engine | undefined;
  readonly agents: { readonly ipvs: Agent | undefined; readonly docker: Agent | undefined };
}

/** What clusterf-ipvs is told, as far as it is looked at. */
export interface IpvsSettings {
  readonly sources: readonly string[];
  readonly balancer: string;
  readonly onlyHost: string | undefined;
  readonly vipInterface: string | undefined;
  readonly profile: string | undefined;
  /** As `--profile`, `--masquerade` and `--sysctl` want them. */
  readonly sysctls: readonly { readonly name: string; readonly value: string }[];
  readonly masquerade: readonly string[];
}

/** What clusterf-docker is told, as far as it is looked at. */
export interface DockerSettings {
  readonly source: string;
  readonly host: string;
  readonly endpoint: string;
}

export interface Machine {
  readonly name: string;
  readonly version: string;
  /** Of this process; bit 12 is CAP_NET_ADMIN. Undefined: not to be seen. */
  readonly capabilities: bigint | undefined;
  readonly stateDirectory: { readonly path: string; readonly obstacle: string | undefined } | undefined;
}

export interface Kernel {
  readonly release: string;
  /** Its IPVS table is there. */
  readonly ipvs: boolean;
  /** It has modules, and looking at something may bring one in. */
  readonly modular: boolean;
  /** Modules that are loaded or built in; underscores in their names. */
  readonly loaded: ReadonlySet<string>;
  /** Those that are built in or can be loaded; undefined: /lib/modules is not to be seen here. */
  readonly available: ReadonlySet<string> | undefined;
}

export interface Interface {
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly loopback: boolean;
  /** Neighbours ask it for addresses: real ones and bridges, not tunnels and dummies. */
  readonly arp: boolean;
  readonly bridge: boolean;
  /** Canonical. */
  readonly addresses: readonly string[];
}

export interface Network {
  readonly interfaces: readonly Interface[];
  readonly routes: readonly KernelRoute[];
  /** What packets end here for. */
  readonly local: readonly Prefix[];
  /** By name, white space made one space. */
  readonly sysctls: ReadonlyMap<string, string>;
  /** UDP ports that the kernel takes apart tunnels on; undefined: not to be seen. */
  readonly fou: readonly number[] | undefined;
}

export interface Firewall {
  /** Undefined: there are no rules. */
  readonly rules: Result<RuleSet> | undefined;
  /** Chains of nftables proper that drop by policy, whose rules are not read. */
  readonly foreign: readonly { readonly table: string; readonly chain: string; readonly hook: string }[];
}

export interface Tree {
  readonly config: Config;
  /** What this balancer should hold. */
  readonly own: Desired;
  /** What a balancer holds that takes all routes and all backends: the edge. */
  readonly edge: Desired;
  readonly problems: readonly Problem[];
  /** Other machines that balance, by their status in the tree. */
  readonly otherBalancers: readonly string[];
}

export interface Engine {
  readonly error?: string;
  readonly version?: string;
  readonly liveRestore?: boolean;
  readonly swarm?: boolean;
  readonly networks?: readonly DockerNetwork[];
}

export interface DockerNetwork {
  readonly name: string;
  readonly subnets: readonly string[];
  readonly options: Readonly<Record<string, string>>;
}

/** An agent on this machine. */
export interface Agent {
  /** Its systemd unit; `none`: there is none, or no systemd. */
  readonly unit: 'none' | 'disabled' | 'enabled';
  readonly listen: string;
  /**
   * `nobody` listens there; `stranger`: somebody else does; `silent`: whoever does has not answered in time; `unknown`:
   * it was told not to listen.
   */
  readonly state: 'running' | 'nobody' | 'stranger' | 'silent' | 'unknown';
  readonly version?: string;
  /** Why it is not; absent = it is. */
  readonly unready?: string;
  readonly unhealthy?: string;
  readonly problems?: number;
  /** It is clusterf up: the other agent is in it. */
  readonly both?: boolean;
  /** Who holds the lock that keeps two of them apart; only of clusterf-ipvs. */
  readonly lockHolder?: number | 'unseen';
  /** Somebody stopped the holder of the lock, by a signal or a debugger. */
  readonly stopped?: boolean;
}

/** A backend of the tree with its names. */
export interface NamedBackend {
  readonly service: string;
  readonly name: string;
  readonly backend: Backend;
}

export type NamedRoutes = ReadonlyMap<string, Route>;
