import { balancerDrainKey, type Config, type Problem } from '@clusterf/model';
import { addressesToBind, type VirtualAddresses, type VirtualAddressesState } from './addresses/index.js';
import { type SyncPeer, wantedDaemons } from './daemon-ops.js';
import type { Op } from './diff.js';
import type { Masquerade, MasqueradeStatus } from './masquerade/index.js';
import type { Desired } from './plan.js';
import type { SyncDaemons, SyncStatus } from './sync-daemons.js';
import type { Sysctls, SysctlStatus } from './sysctl.js';
import type { Table } from './table.js';

export interface SurroundingsParts {
  readonly addresses: VirtualAddresses;
  readonly syncDaemons: SyncDaemons;
  readonly sysctls: Sysctls;
  readonly masquerade: Masquerade;
  /** What this balancer is to those it may share connections with. */
  readonly peer: SyncPeer;
  /** Bind only addresses with a destination that takes connections: `--withdraw-when-empty`. */
  readonly withdrawWhenEmpty: boolean;
}

/** What `/status` shows of it. */
export interface SurroundingsStatus {
  readonly virtualAddresses: Omit<VirtualAddressesState, 'problems'>;
  readonly syncDaemons: Omit<SyncStatus, 'problems'>;
  readonly sysctls: readonly SysctlStatus[];
  readonly masquerade: MasqueradeStatus;
}

const NONE: readonly Problem[] = [];
const CANNOT_WITHDRAW =
  'nothing is withdrawn: expected an agent with --vip-interface, whose virtual addresses can be taken away; this balancer goes on taking connections';
const OF_SERVICES: readonly Op['command'][] = ['newService', 'delService'];

/** What of this machine goes along with the kernel's table: virtual addresses, sync daemons, kernel settings and masquerading. */
export class Surroundings {
  readonly #parts: SurroundingsParts;
  /** Nothing has been announced since the last look. */
  #fresh = true;
  /** An operator has drained this balancer. */
  #drained = false;
  readonly #cannotWithdraw: readonly Problem[];

  constructor(parts: SurroundingsParts) {
    this.#parts = parts;
    const key = balancerDrainKey(parts.peer.balancer);
    this.#cannotWithdraw = [{ source: 'plan', key, message: CANNOT_WITHDRAW }];
  }

  /** This balancer's name in the tree. */
  get balancer(): string {
    return this.#parts.peer.balancer;
  }

  /** Looks at everything afresh, repairs what others changed of it, and tries again what was refused. */
  async resync(): Promise<void> {
    const { addresses, masquerade, syncDaemons, sysctls } = this.#parts;
    addresses.resync();
    this.#fresh = true;
    await sysctls.reconcile();
    await masquerade.reconcile();
    await syncDaemons.resync();
  }

  /** Whether connections are synced: the kernel then takes no destinations of another family. */
  get syncing(): boolean {
    return this.#parts.syncDaemons.state.running.length > 0;
  }

  /**
   * Binds what is ready and unbinds what is about to go; where an operator has drained this balancer, unbinds all. Which
   * addresses those are is looked up in the whole table, and so only where something of this pass can make a difference.
   *
   * @param actual what the kernel holds, all that is new included
   * @param ops what this pass does
   * @param removals those of them that are not done yet
   */
  async announce(
    config: Config,
    actual: Table,
    ours: (key: string) => boolean,
    ops: readonly Op[],
    removals: readonly Op[],
  ): Promise<void> {
    const { addresses, masquerade, withdrawWhenEmpty } = this.#parts;
    if (ops.some(({ command }) => command === 'newDestination')) await masquerade.attend();
    const turned = this.#drained !== this.#isDrained(config);
    const matters = withdrawWhenEmpty ? ops.length > 0 : ops.some(({ command }) => OF_SERVICES.includes(command));
    if (!turned && !matters && !this.#fresh) return;
    this.#fresh = false;
    this.#drained = this.#isDrained(config);
    if (this.#drained) return await addresses.withdraw();
    const wanted = addressesToBind(actual, { ours, removals, withdrawWhenEmpty });
    await addresses.bind(wanted);
    // Who else has a virtual service on an address of ours is not to lose it: it may be one of ours, forgotten.
    const others = { ours: (key: string) => !ours(key), removals: [], withdrawWhenEmpty: false };
    await addresses.unbind(new Set([...wanted, ...addressesToBind(actual, others)]));
  }

  /** Brings the sync daemons to what the tree says. */
  async synchronise(config: Config, actual: Table): Promise<void> {
    const { peer, syncDaemons } = this.#parts;
    const wanted = wantedDaemons(config, peer);
    const mixedFamilies = wanted.daemons.length > 0 && hasMixedFamilies(actual);
    await syncDaemons.reconcile(wanted, { mixedFamilies });
  }

  /** What would be done once the kernel holds what is desired, a line each. */
  async rehearse(config: Config, desired: Desired): Promise<readonly string[]> {
    const { addresses, masquerade, peer, syncDaemons, sysctls, withdrawWhenEmpty } = this.#parts;
    this.#drained = this.#isDrained(config);
    const ready = addressesToBind(desired, { ours: () => true, removals: [], withdrawWhenEmpty });
    const wanted = this.#drained ? new Set<string>() : ready;
    const { bind, unbind } = await addresses.preview(wanted);
    const mixedFamilies = hasMixedFamilies(desired);
    return [
      ...(await sysctls.rehearse()),
      ...(await masquerade.rehearse()),
      ...bind.map((address) => `bind virtual address: ${address}`),
      ...unbind.map((address) => `remove virtual address: ${address}`),
      ...(await syncDaemons.rehearse(wantedDaemons(config, peer), { mixedFamilies })),
    ];
  }

  /** How many virtual addresses of ours are, or may be, bound. */
  get held(): number {
    return this.#parts.addresses.held;
  }

  /** Takes the virtual addresses away, so that routers send no more: `--exit-withdraw`. */
  async withdraw(): Promise<void> {
    await this.#parts.addresses.withdraw();
  }

  /** Takes the rules away that let containers reach their own services: `--exit-unmasquerade`. */
  async unmasquerade(): Promise<void> {
    await this.#parts.masquerade.remove();
  }

  /** The same array while there are none. */
  get problems(): readonly Problem[] {
    const { addresses, masquerade, syncDaemons, sysctls } = this.#parts;
    const drain = this.#drained && addresses.interface === undefined ? this.#cannotWithdraw : NONE;
    const lists = [addresses.problems, drain, syncDaemons.state.problems, sysctls.problems, masquerade.problems];
    const problems = lists.flat();
    return problems.length === 0 ? NONE : problems;
  }

  get status(): SurroundingsStatus {
    const { addresses, masquerade, syncDaemons, sysctls } = this.#parts;
    const { problems: _addressProblems, ...virtualAddresses } = addresses.state;
    const { problems: _syncProblems, ...sync } = syncDaemons.state;
    return { virtualAddresses, syncDaemons: sync, sysctls: sysctls.status, masquerade: masquerade.status };
  }

  #isDrained({ drains }: Config): boolean {
    return drains.balancers.has(this.balancer);
  }
}

function hasMixedFamilies(table: Table): boolean {
  for (const { service, destinations } of table.values())
    for (const { family } of destinations.values()) if (family !== service.id.family) return true;
  return false;
}
