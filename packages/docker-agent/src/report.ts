import { type Clock, formatDuration, type Logger, ProblemLog } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import type { RegistrationEvent, Registrations } from '@clusterf/store';
import { Arrivals } from './arrivals.js';
import { Contact } from './contact.js';
import type { DockerView, Engine } from './container.js';
import type { Run } from './host-status.js';
import type { Observer } from './observer.js';
import type { Registered } from './registrations.js';
import { type AgentStatus, countContainers, countEntries } from './status.js';

export interface ReportOptions {
  readonly engine: Engine;
  /** Aborts when the agent ends. */
  readonly ending: AbortSignal;
  readonly run: Run;
  /** The name by which this host registers. */
  readonly host: string;
  readonly docker: string;
  readonly tree: string;
  /** Milliseconds between two listings. */
  readonly resync: number;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Milliseconds beyond the time between two listings after which an agent that asks Docker nothing is stuck. */
const LONGEST_SILENCE = 60_000;

const NOTHING: DockerView = { containers: [], others: [], draining: new Set(), networks: [] };

/**
 * What the agent is like, for whoever asks. It is told as the agent goes about its work, and never in its way: what
 * takes time is counted when somebody asks.
 */
export class Report {
  readonly #options: ReportOptions;
  readonly #arrivals = new Arrivals();
  readonly #problemLog: ProblemLog;
  readonly #others = new Map<string, readonly Problem[]>();
  /** Shared keys that somebody else holds, with their values. */
  readonly #held = new Map<string, string>();
  /** Keys that etcd does not let us write, and why. */
  #refused: ReadonlyMap<string, Error> = new Map();
  #problems: readonly Problem[] = [];
  readonly #contact: Contact;
  #writer: Registrations | undefined;
  #onChange: () => void = () => {};
  #view = NOTHING;
  #registered: Registered = { entries: new Map(), shared: new Map(), problems: [] };
  #ready = false;
  #complete = false;

  constructor(options: ReportOptions) {
    this.#options = options;
    this.#contact = new Contact({ ...options, arrivals: this.#arrivals });
    this.#problemLog = new ProblemLog(options.log);
  }

  /** To be asked in place of the one that is reported on. */
  get engine(): Engine {
    return this.#contact.engine;
  }

  /** This has been published, or, without a writer, would have been. */
  viewed(view: DockerView, registered: Registered, complete: boolean): void {
    this.#arrivals.told(this.#registered.entries, registered.entries);
    this.#view = view;
    this.#registered = registered;
    for (const path of this.#held.keys()) if (!registered.shared.has(path)) this.#held.delete(path);
    this.#update();
    if (complete && !this.#complete) void this.#awaitReady();
    this.#complete ||= complete;
  }

  /** @param onChange called after each view, and whenever problems may have come or gone */
  writes(writer: Registrations, onChange: () => void = () => {}): void {
    this.#writer = writer;
    this.#onChange = onChange;
  }

  /** What has become of the registrations. */
  heard(event: RegistrationEvent): void {
    const { observer, clock } = this.#options;
    observer.registration(event);
    switch (event.type) {
      case 'put key':
      case 'removed key': {
        const arrival = this.#arrivals.written(event.key);
        if (arrival !== undefined) observer.eventToEtcd((clock.now() - arrival) / 1000);
        if (this.#held.delete(event.key)) this.#update();
        break;
      }
      case 'held by another':
        this.#held.set(event.key, event.value);
        this.#update();
        break;
      case 'refused':
        this.#refused = event.keys;
        this.#update();
        break;
      case 'lease lost':
        this.#held.clear();
        this.#update();
        break;
      case 'lease granted':
      case 'claim contested':
      case 'claimed':
      case 'lost key':
      case 'failed':
      case 'recovered':
        break;
    }
  }

  /** @param problems all that is wrong there now */
  note(where: string, problems: readonly Problem[]): void {
    this.#others.set(where, problems);
    this.#update();
  }

  /** All that is wrong now. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Why the agent is not ready; undefined = it is. */
  get unready(): string | undefined {
    if (this.#ready) return undefined;
    const { state, error } = this.#docker;
    if (state === 'unread') return `docker has not been listed yet${error === undefined ? '' : `: ${error}`}`;
    const { lastError } = this.#writer?.state ?? {};
    return `not all that runs is registered yet${lastError === undefined ? '' : `: ${lastError.message}`}`;
  }

  /** Why the agent is not alive; undefined = it is. That Docker or etcd is away is no reason. */
  get unhealthy(): string | undefined {
    const { clock, resync } = this.#options;
    const silence = clock.now() - this.#contact.lastAsked;
    if (silence <= resync + LONGEST_SILENCE) return undefined;
    return `docker has not been asked anything for ${formatDuration(Math.round(silence))}`;
  }

  status(): AgentStatus {
    const { run, host, tree } = this.#options;
    const { entries, shared } = this.#registered;
    const { leaseId, claimed = false, settled = false, lastError } = this.#writer?.state ?? {};
    return {
      version: run.version,
      host,
      machine: run.machine,
      pid: run.pid,
      started: run.started,
      ready: this.#ready,
      docker: this.#docker,
      tree: {
        url: tree,
        ...(leaseId === undefined ? {} : { lease: leaseId }),
        claimed,
        settled,
        ...(lastError === undefined ? {} : { error: lastError.message }),
      },
      problems: this.#problems,
      containers: countContainers(this.#view),
      ...countEntries(entries.keys()),
      frontends: { wanted: shared.size, held: this.#held.size },
    };
  }

  get #docker(): AgentStatus['docker'] {
    return { endpoint: this.#options.docker, ...this.#contact.status };
  }

  async #awaitReady(): Promise<void> {
    try {
      await this.#writer?.settled();
      this.#ready = true;
    } catch {
      // It ended before.
    }
  }

  #update(): void {
    const { shared, problems } = this.#registered;
    this.#problems = [
      ...problems,
      ...inTheWay(this.#held, shared),
      ...notAllowed(this.#refused),
      ...[...this.#others.values()].flat(),
    ];
    this.#problemLog.update(this.#problems);
    this.#onChange();
  }
}

/** Keys that we would put, were they not somebody else's who has something else in mind. */
function inTheWay(held: ReadonlyMap<string, string>, shared: ReadonlyMap<string, string>): readonly Problem[] {
  return [...held].flatMap(([key, theirs]) => {
    const ours = shared.get(key);
    if (ours === undefined || ours === theirs) return [];
    return [{ source: 'docker', key, message: `not published: somebody else has put ${theirs} there, not ${ours}` }];
  });
}

function notAllowed(refused: ReadonlyMap<string, Error>): readonly Problem[] {
  return [...refused].map(([key, { message }]) => ({ source: 'etcd', key, message: `not registered: ${message}` }));
}
