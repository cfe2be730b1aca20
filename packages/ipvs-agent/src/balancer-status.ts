import { type Clock, formatDuration, type Logger, toError } from '@clusterf/daemon';
import { balancerStatusKey, type Problem } from '@clusterf/model';
import type { ClaimEntry, RegistrationEvent, Registrations } from '@clusterf/store';
import type { AgentStatus, DrainedBackends, DrainedBalancer } from './status.js';

/** `balancers/<name>/status`: what one asks of a balancer first. Nothing in it changes with every packet or pass. */
export interface BalancerSummary {
  readonly version: string;
  /** Who it is: of two balancers of one name, one is to be found. */
  readonly machine: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly started: string;
  readonly ready: boolean;
  readonly virtualServices: number;
  readonly destinations: number;
  readonly problems: number;
  readonly quarantined: number;
  /** Whether the brake holds removals back. */
  readonly brake: boolean;
  /** Destinations whose removal is held back, by the brake or for another reason. */
  readonly held: number;
  readonly draining: number;
  /** Virtual services of which the kernel refused an operation, and the first of them. */
  readonly retrying: number;
  readonly refused: readonly string[];
  readonly foreign: number;
  /** Digests of the configuration that it has read where this entry is, and of the table that it wants the kernel to have. */
  readonly tree: string;
  readonly table: string;
  /** Where it has its virtual addresses, and whose backends alone it takes: `--vip-interface`, `--only-host`. */
  readonly vipInterface: string | null;
  readonly onlyHost: string | null;
  /** What is drained as far as it concerns this balancer; why is in the tree. */
  readonly drained: readonly DrainedSummary[];
}

export type DrainedSummary = Omit<DrainedBackends, 'reason'> | Omit<DrainedBalancer, 'reason'>;

export type SummarisedStatus = Pick<
  AgentStatus,
  | 'version'
  | 'machine'
  | 'pid'
  | 'started'
  | 'ready'
  | 'sources'
  | 'virtualServices'
  | 'destinations'
  | 'problems'
  | 'quarantined'
  | 'held'
  | 'draining'
  | 'retrying'
  | 'foreign'
  | 'table'
  | 'drained'
  | 'onlyHost'
> & { readonly virtualAddresses: Pick<AgentStatus['virtualAddresses'], 'interface'> };

export interface BalancerStatusOptions {
  /** This balancer's name, which `checkName` of @clusterf/model accepts. */
  readonly balancer: string;
  /** The URL of the source it is written to. */
  readonly source: string;
  /** Opens the registrations there, of which the status is the claim; they are ours to close. */
  readonly open: (claim: ClaimEntry, onEvent: (event: RegistrationEvent) => void) => Registrations;
  readonly status: () => SummarisedStatus;
  readonly log: Logger;
  readonly clock: Clock;
  /** Told all that is wrong with publishing, each time that changes. */
  readonly onProblems: (problems: readonly Problem[]) => void;
}

/** Milliseconds from one look at the status to the next. */
const INTERVAL = 2_000;
/** An entry may have a megabyte and a half: who drains a thousand backends one by one does without their counts. */
const MOST_DRAINED = 1000;
/** To begin with; all of them the agent's own `/status` has. */
const MOST_REFUSED = 5;
/** Milliseconds until it is tried again after another balancer turned out to have the name. */
const TAKEN = 10_000;

/** Of several sources, the one that a balancer's status is written to: the first that is an etcd. */
export function statusSource(urls: readonly string[]): string | undefined {
  return urls.find((url) => url.startsWith('etcd'));
}

/**
 * Keeps a summary of the agent's status in etcd for as long as the agent lives. Whatever etcd makes of it is a
 * problem at most: no pass waits for it. So it is where another balancer has the name: its status is left alone, and
 * ours takes its place when it is gone.
 */
export class BalancerStatus {
  readonly #options: BalancerStatusOptions;
  readonly #key: string;
  #registrations: Registrations;
  #text: string;
  /** Another balancer has the name. */
  #taken = false;
  #changed = false;
  #closed = false;
  #cancel: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;

  /**
   * Publishes at once.
   *
   * @throws RangeError if the name cannot be part of a key
   * @throws what `open` throws
   */
  constructor(options: BalancerStatusOptions) {
    this.#options = options;
    this.#key = balancerStatusKey(options.balancer);
    this.#text = this.#summary();
    this.#registrations = this.#open();
    this.#lookLater();
  }

  /** The status may have changed. Cheap; call it after every pass and every event. */
  changed(): void {
    if (this.#closed) return;
    if (this.#cancel === undefined) this.#publish();
    else this.#changed = true;
  }

  /** Where it is published, and whether it is there now. */
  get publication(): { readonly source: string; readonly published: boolean } {
    const { leaseId, settled, lastError } = this.#registrations.state;
    return { source: this.#options.source, published: leaseId !== undefined && settled && lastError === undefined };
  }

  /** Leaves the entry to its TTL, saying that we have ended: a restarted agent takes it over at once. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    this.#cancelRetry?.();
    await this.#registrations.close();
  }

  #open(): Registrations {
    const registrations = this.#options.open({ path: this.#key, value: this.#text }, (event) => this.#hear(event));
    registrations.publish(new Map()); // Beside the claim there is nothing.
    registrations.refusal.addEventListener('abort', () => this.#giveWay(toError(registrations.refusal.reason)));
    return registrations;
  }

  /** The registrations have ended by themselves. */
  #giveWay({ message }: Error): void {
    const { source, onProblems, clock } = this.#options;
    this.#taken = true;
    onProblems([{ source, key: this.#key, message: `the status is not published: ${message}` }]);
    if (this.#closed) return;
    this.#cancelRetry = clock.after(TAKEN, () => {
      this.#registrations = this.#open();
    });
  }

  #publish(): void {
    this.#changed = false;
    this.#lookLater();
    const text = this.#summary();
    // Publishing the same would write nothing, but for a moment not count as published.
    if (text === this.#text) return;
    this.#text = text;
    this.#registrations.describe(text);
  }

  #lookLater(): void {
    this.#cancel = this.#options.clock.after(INTERVAL, () => {
      this.#cancel = undefined;
      if (this.#changed) this.#publish();
    });
  }

  #summary(): string {
    return JSON.stringify(summarise(this.#options.status(), this.#options.source));
  }

  #hear(event: RegistrationEvent): void {
    const { source, log, onProblems } = this.#options;
    const key = this.#key;
    switch (event.type) {
      case 'lease granted':
        log.debug('lease granted for the status', { key, lease: event.leaseId, ttl: formatDuration(event.ttl) });
        break;
      case 'lease lost':
        log.info('lease of the status lost: it is published anew', { key, error: event.error });
        break;
      case 'put key':
        log.debug('status published', { key, value: event.value });
        break;
      case 'claim contested':
        log[this.#taken ? 'debug' : 'info']('another balancer may have this name: looking whether it is alive', {
          key,
          holder: event.holder,
        });
        break;
      case 'claimed':
        if (!this.#taken) break;
        this.#taken = false;
        log.info('the other balancer of this name is gone: the status is published', { key });
        onProblems([]);
        break;
      case 'removed key':
      case 'held by another': // Nothing is shared here.
        break;
      case 'lost key':
        log.warn('status removed by somebody else and put right', { key });
        break;
      case 'refused': {
        const [refused] = event.keys.values();
        const message = `the status cannot be published: ${refused?.message}`;
        onProblems(refused === undefined ? [] : [{ source, key, message }]);
        break;
      }
      case 'failed':
        onProblems([{ source, key, message: `the status cannot be published: ${event.error.message}` }]);
        break;
      case 'recovered':
        onProblems([]);
        break;
    }
  }
}

/** @param source the URL of the source that the summary is written to */
export function summarise(status: SummarisedStatus, source: string): BalancerSummary {
  const { version, machine, pid, started, ready, virtualServices, destinations, held } = status;
  return {
    version,
    machine,
    pid,
    started,
    ready,
    virtualServices,
    destinations,
    problems: status.problems.length,
    quarantined: status.quarantined.length,
    brake: held.some(({ reason }) => reason === 'brake'),
    held: held.reduce((sum, { destinations: some }) => sum + some, 0),
    draining: status.draining.length,
    retrying: status.retrying.length,
    refused: status.retrying.slice(0, MOST_REFUSED).map(({ virtualService }) => virtualService),
    foreign: status.foreign.length,
    tree: status.sources.find(({ url }) => url === source)?.digest ?? '',
    table: status.table,
    vipInterface: status.virtualAddresses.interface ?? null,
    onlyHost: status.onlyHost ?? null,
    drained: status.drained.slice(0, MOST_DRAINED).map(({ reason: _reason, ...rest }) => rest),
  };
}
