import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type CommandContext, type Environment, runCommand, systemClock } from '@clusterf/daemon';
import { IpvsClient } from '@clusterf/ipvs';
import { etcdOptions, openSource, parseSourceUrl, type Source } from '@clusterf/store';
import { AddressesState, NO_ADDRESSES, VirtualAddresses } from './addresses/index.js';
import { IpvsAgent } from './agent.js';
import { Brake } from './brake.js';
import { DrainState, Drains } from './drain.js';
import { EtcdEndpoints } from './etcd-endpoints.js';
import { Grace } from './grace.js';
import { Health } from './health.js';
import { ipvsKernel } from './kernel.js';
import { lockNamespace, namespaceName } from './lock.js';
import { HAIRPIN_PORTS, MASQUERADE_SYSCTLS, openMasquerade } from './masquerade/index.js';
import { balancerName, type CommandOptions, command, parseShare } from './options.js';
import { OwnedState, Ownership } from './ownership.js';
import { wantedSysctls } from './profiles.js';
import { Restraint } from './restraint.js';
import { StateDirectory } from './state-directory.js';
import { Surroundings } from './surroundings.js';
import { STARTED_DAEMONS, SyncDaemons } from './sync-daemons.js';
import { Sysctls } from './sysctl.js';

/** Milliseconds, ten times what a frontend takes to go from one host's lease to another's. */
const GRACE = 500;

/** The `clusterf-ipvs` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, context) => {
    const { log } = context;
    // Who only reads may do so beside the agent that writes.
    if (!options.noop) await lockNamespace(log);
    const urls = options.configSource.length > 0 ? options.configSource : ['etcd:'];
    const sources = urls.map((url) => openSource(url, etcdOptions(options)));
    using client = await IpvsClient.open();
    using onlooker = await IpvsClient.open();
    const { version, connectionTableSize } = await client.info();
    log.info('started', {
      version: command.version,
      sources: sources.map(({ url }) => url),
      kernel: { ipvs: version, connectionTableSize },
    });
    await run(options, context, sources, client, onlooker);
  });
}

/** Puts the parts together and runs the agent until it is told to stop. */
async function run(
  options: CommandOptions,
  { log, signal, onHangup }: CommandContext,
  sources: readonly Source[],
  client: IpvsClient,
  onlooker: IpvsClient,
): Promise<void> {
  const clock = systemClock;
  const wall = Date.now;
  const state = new StateDirectory(join(options.stateDir, await namespaceName()), log);

  const drainState = await state.load({ name: 'draining', schema: DrainState, empty: { version: 1, drains: [] } });
  const drains = new Drains({ timeout: options.drainTimeout }, drainState, clock.now(), wall());
  const brake = new Brake({ share: parseShare(options.brake) ?? 1, hold: options.brakeHold });
  const etcd = new EtcdEndpoints({ hosts: sources.flatMap(({ url }) => etcdHosts(url)), lookUp, clock });
  using addresses = VirtualAddresses.open({
    interface: options.vipInterface,
    etcdAt: (address) => etcd.at(address),
    state: await state.load({ name: 'addresses', schema: AddressesState, empty: NO_ADDRESSES }),
    log,
  });
  const started = await state.load(STARTED_DAEMONS);
  const needed = options.masquerade.length > 0 ? MASQUERADE_SYSCTLS : [];
  const settings = wantedSysctls(options.profile, [...needed, ...options.sysctl]);
  const surroundings = new Surroundings({
    addresses,
    syncDaemons: new SyncDaemons({ client, started, log, interfaces: networkInterfaces }),
    sysctls: new Sysctls({ settings, root: '/proc/sys', log }),
    masquerade: openMasquerade({
      networks: options.masquerade,
      state: await state.load(HAIRPIN_PORTS),
      log,
    }),
    peer: { balancer: balancerName(options), apart: options.onlyHost !== undefined },
    withdrawWhenEmpty: options.withdrawWhenEmpty,
  });

  const owned = await state.load({ name: 'owned', schema: OwnedState, empty: { version: 1, virtualServices: [] } });
  await using health = new Health(options, { sources: sources.map(({ url }) => url), log, clock });
  const agent = new IpvsAgent(
    { ...options, method: options.ipvsFwdMethod, scheduler: options.ipvsSchedName },
    {
      sources,
      kernel: ipvsKernel(client, onlooker),
      ownership: new Ownership(owned),
      restraint: new Restraint({ brake, grace: new Grace(GRACE), drains, clock, log }),
      surroundings,
      etcd,
      state,
      observer: health.observer,
      log,
      print: (text) => process.stdout.write(text),
      clock,
      wall,
      signal,
    },
  );
  if (options.once) return await agent.runOnce();
  if (!options.noop) health.show(agent);
  onHangup(() => agent.reread());
  await agent.run();
  if (options.noop) return;
  if (options.exitWithdraw) await surroundings.withdraw();
  if (options.exitUnmasquerade) await surroundings.unmasquerade();
}

/** `HOST:PORT` of each member that a source, by its canonical URL, is read from. */
function etcdHosts(url: string): readonly string[] {
  const location = parseSourceUrl(url);
  return location.type === 'etcd' ? location.hosts : [];
}

async function lookUp(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}
