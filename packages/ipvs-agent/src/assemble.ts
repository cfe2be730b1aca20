import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import type { Clock, Logger } from '@clusterf/daemon';
import { parseSourceUrl, type Source } from '@clusterf/store';
import { AddressesState, NO_ADDRESSES, VirtualAddresses } from './addresses/index.js';
import { IpvsAgent } from './agent.js';
import type { AgentParts } from './agent-parts.js';
import { Brake } from './brake.js';
import { DrainState, Drains } from './drain.js';
import { EtcdEndpoints } from './etcd-endpoints.js';
import { Grace } from './grace.js';
import { Health } from './health.js';
import { ipvsKernel } from './kernel.js';
import { HAIRPIN_PORTS, MASQUERADE_SYSCTLS, openMasquerade } from './masquerade/index.js';
import type { OpenKernel } from './open-kernel.js';
import { balancerName, type CommandOptions, parseShare } from './options.js';
import { OwnedState, Ownership } from './ownership.js';
import { wantedSysctls } from './profiles.js';
import { Restraint } from './restraint.js';
import type { StateDirectory } from './state-directory.js';
import { Surroundings } from './surroundings.js';
import { STARTED_DAEMONS, SyncDaemons } from './sync-daemons.js';
import { Sysctls } from './sysctl.js';

/** Milliseconds, ten times what a frontend takes to go from one host's lease to another's. */
const GRACE = 500;

/** What differs between a command of its own and a part of another. */
export interface AssemblyParts extends Pick<AgentParts, 'sources' | 'print' | 'signal'> {
  readonly kernel: Pick<OpenKernel, 'client' | 'onlooker'>;
  readonly state: StateDirectory;
  /** As `AgentOptions` has it. */
  readonly trustEmpty?: boolean | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A balancer's agent that is put together, and not at work yet. */
export interface Balancer extends AsyncDisposable {
  readonly agent: IpvsAgent;
  readonly health: Health;
  /** Takes away what the options say that it is not to leave behind when it has ended in order. */
  readonly leave: () => Promise<void>;
}

/** Puts the parts together, with what an earlier run has written down. */
export async function assembleBalancer(options: CommandOptions, parts: AssemblyParts): Promise<Balancer> {
  const { sources, kernel, state, clock, log } = parts;
  const wall = Date.now;

  const drainState = await state.load({ name: 'draining', schema: DrainState, empty: { version: 1, drains: [] } });
  const drains = new Drains({ timeout: options.drainTimeout }, drainState, clock.now(), wall());
  const brake = new Brake({ share: parseShare(options.brake) ?? 1, hold: options.brakeHold });
  const etcd = etcdEndpoints(sources, clock);
  const addressesState = await state.load({ name: 'addresses', schema: AddressesState, empty: NO_ADDRESSES });
  const started = await state.load(STARTED_DAEMONS);
  const hairpinPorts = await state.load(HAIRPIN_PORTS);
  const owned = await state.load({ name: 'owned', schema: OwnedState, empty: { version: 1, virtualServices: [] } });

  const needed = options.masquerade.length > 0 ? MASQUERADE_SYSCTLS : [];
  const settings = wantedSysctls(options.profile, [...needed, ...options.sysctl]);
  const addresses = VirtualAddresses.open({
    interface: options.vipInterface,
    etcdAt: (address) => etcd.at(address),
    state: addressesState,
    log,
  });
  const surroundings = new Surroundings({
    addresses,
    syncDaemons: new SyncDaemons({ client: kernel.client, started, log, interfaces: networkInterfaces }),
    sysctls: new Sysctls({ settings, root: '/proc/sys', log }),
    masquerade: openMasquerade({ networks: options.masquerade, state: hairpinPorts, log }),
    peer: { balancer: balancerName(options), apart: options.onlyHost !== undefined },
    withdrawWhenEmpty: options.withdrawWhenEmpty,
  });

  const health = new Health(options, { sources: sources.map(({ url }) => url), log, clock });
  const agent = new IpvsAgent(
    {
      ...options,
      method: options.ipvsFwdMethod,
      scheduler: options.ipvsSchedName,
      trustEmpty: parts.trustEmpty,
    },
    {
      ...parts,
      kernel: ipvsKernel(kernel.client, kernel.onlooker),
      ownership: new Ownership(owned),
      restraint: new Restraint({ brake, grace: new Grace(GRACE), drains, clock, log }),
      surroundings,
      etcd,
      observer: health.observer,
      wall,
    },
  );
  return {
    agent,
    health,
    leave: async () => {
      if (options.exitWithdraw) await surroundings.withdraw();
      if (options.exitUnmasquerade) await surroundings.unmasquerade();
    },
    [Symbol.asyncDispose]: async () => {
      await health[Symbol.asyncDispose]();
      addresses[Symbol.dispose]();
    },
  };
}

/** Where the members are that these sources are read from. */
export function etcdEndpoints(sources: readonly Source[], clock: Clock): EtcdEndpoints {
  return new EtcdEndpoints({ hosts: sources.flatMap(({ url }) => etcdHosts(url)), lookUp, clock });
}

/** `HOST:PORT` of each member that a source, by its canonical URL, is read from. */
function etcdHosts(url: string): readonly string[] {
  const location = parseSourceUrl(url);
  return location.type === 'etcd' ? location.hosts : [];
}

async function lookUp(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}
