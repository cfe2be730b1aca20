/**
 * Connection synchronisation between balancers: the kernel's two sync daemons, kept as the tree says.
 *
 *     Config → wantedDaemons ┐
 *           kernel → running ┴→ daemonOps → start, change, stop
 *
 * INVARIANTS
 * - A daemon that runs as wanted is not touched, and neither is one because of the other.
 * - A daemon that nobody wants is stopped only if it was started from here; others are left alone and told of.
 * - Settings that cannot work stop nothing: a change that the kernel refuses is taken back, and not tried again
 *   before the settings or the interface have changed.
 * - The first come wins: with destinations of mixed families in the kernel no daemon is started; while a daemon runs,
 *   the kernel takes no such destination.
 */
import type { networkInterfaces } from 'node:os';
import type { Logger } from '@clusterf/daemon';
import { DecodeError, type IpvsClient, IpvsError, type SyncDaemon, type SyncRole } from '@clusterf/ipvs';
import { type Problem, syncKey } from '@clusterf/model';
import * as z from 'zod';
import {
  DAEMON_DEFAULTS,
  DAEMON_OP_TITLES,
  type DaemonOp,
  daemonOps,
  describeDaemon,
  lengthProblems,
  printDaemon,
  printDaemonOp,
  runsAs,
  type WantedDaemons,
} from './daemon-ops.js';
import type { StateFile } from './state-file.js';

export interface SyncStatus {
  readonly wanted: readonly SyncDaemon[];
  /** As the kernel reports them, defaults filled in. */
  readonly running: readonly SyncDaemon[];
  /** Those of `running` that are neither wanted nor started from here: left alone. */
  readonly foreign: readonly SyncDaemon[];
  readonly problems: readonly Problem[];
}

export interface SyncConditions {
  /** Destinations of another family than their virtual service are in the kernel. */
  readonly mixedFamilies: boolean;
}

export interface SyncDaemonsParts {
  readonly client: Pick<IpvsClient, 'daemons' | 'newDaemon' | 'delDaemon'>;
  /** What was started from here: the state file that {@link STARTED_DAEMONS} says. */
  readonly started: StateFile<readonly SyncDaemon[]>;
  readonly log: Logger;
  /** `os.networkInterfaces`: says when it is worth trying again what an interface was not fit for. */
  readonly interfaces: typeof networkInterfaces;
}

const Daemon = z.object({
  role: z.enum(['master', 'backup']),
  interface: z.string(),
  syncId: z.number(),
  maxLength: z.number().exactOptional(),
  group: z.string().exactOptional(),
  port: z.number().exactOptional(),
  ttl: z.number().exactOptional(),
});

const NONE: readonly SyncDaemon[] = [];

/** How to load the memory of what was started. */
export const STARTED_DAEMONS = { name: 'sync-daemons', schema: z.array(Daemon).readonly(), empty: NONE };

/** What a change failed of, kept so that it is not tried with every pass. */
interface Refused {
  readonly daemon: string;
  readonly device: string;
  readonly problem: Problem;
}

/** The sync daemons of this network namespace. What goes wrong is a problem in `state`. Calls must not overlap. */
export class SyncDaemons {
  readonly #parts: SyncDaemonsParts;
  /** Absent until the kernel could be asked. */
  #running: readonly SyncDaemon[] | undefined;
  /** Why it could not be asked last time. */
  #unseen: Problem | undefined;
  /** What was reconciled since the last look, as text. */
  #reconciled: string | undefined;
  readonly #refused = new Map<SyncRole, Refused>();
  #wanted: WantedDaemons = { daemons: NONE, problems: [] };
  #problems: readonly Problem[] = [];
  /** What was said last, so that it is not said again with every look. */
  readonly #said = { foreign: '' };

  constructor(parts: SyncDaemonsParts) {
    this.#parts = parts;
  }

  /** As of the last look. */
  get state(): SyncStatus {
    const running = this.#running ?? NONE;
    const { daemons: wanted, problems } = this.#wanted;
    const ours = (daemon: SyncDaemon) =>
      problems.length > 0 ||
      wanted.some(({ role }) => role === daemon.role) ||
      this.#parts.started.value.some((one) => runsAs(one, daemon));
    return {
      wanted,
      running,
      foreign: running.filter((daemon) => !ours(daemon)),
      problems: this.#unseen === undefined ? this.#problems : [...this.#problems, this.#unseen],
    };
  }

  /** A fresh look at the kernel: what somebody else changed is repaired, and what failed is tried again, by `reconcile`. */
  async resync(): Promise<void> {
    this.#reconciled = undefined;
    await this.#look();
  }

  /** What `reconcile` would do, a line for each operation. */
  async rehearse(wanted: WantedDaemons, { mixedFamilies }: SyncConditions): Promise<readonly string[]> {
    await this.resync();
    return daemonOps(wanted, this.#running ?? NONE, this.#parts.started.value)
      .filter(({ command }) => command === 'stop' || !mixedFamilies)
      .map(printDaemonOp);
  }

  /** Brings the kernel to what is wanted. Asked for the same again, it does nothing until the next `resync`. */
  async reconcile(wanted: WantedDaemons, conditions: SyncConditions): Promise<void> {
    const asked = JSON.stringify([wanted, conditions.mixedFamilies]);
    if (asked === this.#reconciled) return;
    this.#wanted = wanted;
    const known = [...wanted.problems, ...lengthProblems(wanted)];
    this.#problems = known;
    if (this.#running === undefined || this.#unseen !== undefined) await this.#look();
    if (this.#running === undefined || this.#unseen !== undefined) return;
    const { key = syncKey() } = wanted;
    const ops = daemonOps(wanted, this.#running, this.#parts.started.value);
    const problems: (Problem | undefined)[] = [];
    for (const op of ops) problems.push(await this.#execute(op, key, conditions));
    if (ops.length > 0) await this.#look();
    for (const [i, op] of ops.entries()) problems[i] ??= this.#misunderstood(op, key);
    this.#problems = [...known, ...problems.filter((problem) => problem !== undefined)];
    this.#reconciled = asked;
    this.#sayForeign();
  }

  async #look(): Promise<void> {
    const { client, started } = this.#parts;
    try {
      this.#running = await client.daemons();
      this.#unseen = undefined;
    } catch (error) {
      this.#unseen = { source: 'kernel', key: syncKey(), message: refusal(error).message };
      return;
    }
    const running = this.#running;
    await this.#remember(started.value.filter((one) => running.some((daemon) => runsAs(one, daemon))));
  }

  async #execute(op: DaemonOp, key: string, { mixedFamilies }: SyncConditions): Promise<Problem | undefined> {
    const { daemon, command } = op;
    const { role } = daemon;
    const problem = (message: string) => ({ source: 'kernel', key, message: `${role} daemon ${message}` });
    // Before anything is stopped: what could not be started could not be taken back either.
    if (mixedFamilies && command !== 'stop') {
      return problem(
        `is not ${command === 'start' ? 'started' : 'changed'}: the kernel has destinations of another family than ` +
          'their virtual service, and syncs no connections beside such',
      );
    }
    const last = this.#refused.get(role);
    const attempt = { daemon: JSON.stringify(daemon), device: this.#device(daemon) };
    if (command === 'change' && last?.daemon === attempt.daemon && last.device === attempt.device) return last.problem;
    this.#refused.delete(role);
    let stopped = false;
    try {
      if (command !== 'start') {
        await this.#stop(role);
        stopped = true;
      }
      if (command !== 'stop') await this.#start(daemon);
      this.#parts.log.info(DAEMON_OP_TITLES[command], describeDaemon(daemon));
      return undefined;
    } catch (error) {
      const why = explain(daemon, refusal(error));
      if (command !== 'change' || !stopped) return problem(why);
      const refused = problem(`${why}; ${await this.#takeBack(op.from)}`);
      this.#refused.set(role, { ...attempt, problem: refused });
      return refused;
    }
  }

  async #stop(role: SyncRole): Promise<void> {
    const { client } = this.#parts;
    try {
      await client.delDaemon(role);
    } catch (error) {
      const { code } = refusal(error);
      // Gone already is as good. And of a daemon whose thread has not run yet the kernel lets us hear nothing:
      // kthread_stop() gives -EINTR, for which netlink_rcv_skb() sends no answer.
      if (code === 'ESRCH') return;
      if (code === 'ETIMEDOUT' && !(await client.daemons()).some((daemon) => daemon.role === role)) return;
      throw error;
    }
  }

  /** Remembered before it runs, so that it is known as ours whatever happens meanwhile. */
  async #start(daemon: SyncDaemon): Promise<void> {
    await this.#remember([...this.#parts.started.value, daemon]);
    await this.#parts.client.newDaemon(daemon);
  }

  /** @returns what has become of the daemon that was to be changed, in words */
  async #takeBack(from: SyncDaemon): Promise<string> {
    try {
      await this.#parts.client.newDaemon(from);
    } catch (error) {
      return `the one before could not be started again: ${refusal(error).message}`;
    }
    return `meanwhile it runs as before: ${printDaemon(from)}`;
  }

  /** An operation that the kernel acknowledged and that did not come to what was asked for: no use in repeating it. */
  #misunderstood({ command, daemon }: DaemonOp, key: string): Problem | undefined {
    const runs = this.#running?.find(({ role }) => role === daemon.role);
    if (command === 'stop' || runs === undefined || runsAs(daemon, runs)) return undefined;
    const message = `${daemon.role} daemon runs as ${printDaemon(runs)}; expected ${printDaemon(daemon)}`;
    const problem = { source: 'kernel', key, message };
    this.#refused.set(daemon.role, { daemon: JSON.stringify(daemon), device: this.#device(daemon), problem });
    return problem;
  }

  /** How the interface is, in a word that changes when its addresses do. */
  #device({ interface: device }: SyncDaemon): string {
    return JSON.stringify(this.#parts.interfaces()[device] ?? null);
  }

  async #remember(started: readonly SyncDaemon[]): Promise<void> {
    const file = this.#parts.started;
    if (file.saved && JSON.stringify(file.value) === JSON.stringify(started)) return;
    await file.write(started);
  }

  #sayForeign(): void {
    const foreign = this.state.foreign.map(printDaemon);
    const text = foreign.join('\n');
    if (text !== '' && text !== this.#said.foreign)
      this.#parts.log.warn('sync daemons that the tree does not name and that were not started from here: left alone', {
        daemons: foreign,
      });
    this.#said.foreign = text;
  }
}

/** What the client throws of the kernel's doing; everything else is a bug and goes on its way. */
function refusal(error: unknown): IpvsError | DecodeError {
  if (error instanceof IpvsError || error instanceof DecodeError) return error;
  throw error;
}

/** The kernel's reasons not to start a daemon, as start_sync_thread() and the sockets that it opens have them. */
function explain({ interface: device, group = DAEMON_DEFAULTS.group }: SyncDaemon, error: IpvsError | DecodeError) {
  const ipv6 = group.includes(':');
  const expected = ipv6
    ? 'expected one that is up, with an IPv6 address and an MTU of at least 1280'
    : 'expected one that is up, with an IPv4 address and an MTU of at least 68';
  switch (error.code) {
    case 'ENODEV':
      return `has no interface ${device}; ${expected} (ENODEV)`;
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
    case 'EINVAL':
      return `cannot use the group ${group} on the interface ${device}; ${expected} (${error.code})`;
    default:
      return `was refused: ${error.message}`;
  }
}
