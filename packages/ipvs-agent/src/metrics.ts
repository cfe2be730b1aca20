import { agentRegistry, Counter, Gauge, Histogram, type Registry } from '@clusterf/daemon';
import type { OpKind } from './diff.js';
import type { AgentStatus, DriftKind, HeldStatus, PassStatus } from './status.js';

/** What the gauges show. */
export type MeasuredStatus = Pick<
  AgentStatus,
  | 'ready'
  | 'sources'
  | 'problems'
  | 'quarantined'
  | 'virtualServices'
  | 'destinations'
  | 'foreign'
  | 'held'
  | 'draining'
  | 'drained'
  | 'retrying'
  | 'masquerade'
  | 'lastPass'
>;

/** The balancer's own entry in etcd. */
export interface Publication {
  /** The URL of the source it is written to. */
  readonly source: string;
  /** Whether it is there, as it should be, under a living lease. */
  readonly published: boolean;
}

export interface AgentMetricsOptions {
  readonly command: string;
  readonly version: string;
  /** Asked at every scrape. */
  readonly status: () => MeasuredStatus;
  /** Asked at every scrape; undefined where no source is an etcd. */
  readonly publication?: () => Publication | undefined;
}

const OPERATIONS: readonly OpKind[] = [
  'newService',
  'setService',
  'newDestination',
  'setDestination',
  'delDestination',
  'delService',
];
const OUTCOMES = ['done', 'refused', 'failed'] as const;
const REASONS: readonly PassStatus['reason'][] = ['trigger', 'resync', 'retry'];
const DRIFTS: readonly DriftKind[] = ['added', 'changed', 'removed'];
const HOLDS: readonly HeldStatus['reason'][] = ['brake', 'unreadable entries', 'nothing published'];

/** Seconds, from 1 ms to 30 s. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What the agent does, counted, and what it is like at the moment of a scrape. docs/metrics.md says what each means. */
export class AgentMetrics {
  readonly #options: AgentMetricsOptions;
  readonly #registry: Registry;
  readonly #operations: Counter;
  readonly #passes: Counter;
  readonly #drift: Counter;
  readonly #passDuration: Histogram;
  readonly #eventToKernel: Histogram;
  readonly #gauges: ReturnType<typeof statusGauges>;
  readonly #countersUp: Gauge;

  constructor(options: AgentMetricsOptions) {
    const registry = agentRegistry(options);
    const registers = [registry];
    this.#options = options;
    this.#registry = registry;
    this.#operations = new Counter({
      name: 'clusterf_ipvs_operations_total',
      help: 'Operations asked of the kernel, by what became of them.',
      labelNames: ['kind', 'outcome'],
      registers,
    });
    this.#passes = new Counter({
      name: 'clusterf_ipvs_passes_total',
      help: 'Passes, by why they ran and what became of them.',
      labelNames: ['reason', 'outcome'],
      registers,
    });
    this.#drift = new Counter({
      name: 'clusterf_ipvs_drift_total',
      help: 'Virtual services and destinations of ours that somebody else was found to have added, changed or removed.',
      labelNames: ['kind'],
      registers,
    });
    this.#passDuration = new Histogram({
      name: 'clusterf_ipvs_pass_duration_seconds',
      help: 'Time a pass took.',
      buckets: BUCKETS,
      registers,
    });
    this.#eventToKernel = new Histogram({
      name: 'clusterf_ipvs_event_to_kernel_seconds',
      help: 'Time from the arrival of a change to the end of the pass that brought it into the kernel.',
      buckets: BUCKETS,
      registers,
    });
    this.#gauges = statusGauges(registry);
    this.#countersUp = new Gauge({
      name: 'clusterf_ipvs_counters_up',
      help: "Whether the kernel's counters could be read for this scrape.",
      registers,
    });
    // From 0 on, so that the first of each shows as an increase.
    for (const kind of OPERATIONS)
      for (const outcome of ['done', 'refused']) this.#operations.inc({ kind, outcome }, 0);
    for (const reason of REASONS) for (const outcome of OUTCOMES) this.#passes.inc({ reason, outcome }, 0);
    for (const kind of DRIFTS) this.#drift.inc({ kind }, 0);
  }

  operation(kind: OpKind, outcome: 'done' | 'refused'): void {
    this.#operations.inc({ kind, outcome });
  }

  /** @param outcome `refused`: some operation was; `failed`: the kernel could not be asked at all */
  pass({ reason, duration }: Pick<PassStatus, 'reason' | 'duration'>, outcome: (typeof OUTCOMES)[number]): void {
    this.#passes.inc({ reason, outcome });
    this.#passDuration.observe(duration);
  }

  drift(kind: DriftKind): void {
    this.#drift.inc({ kind });
  }

  eventToKernel(seconds: number): void {
    this.#eventToKernel.observe(seconds);
  }

  /** Whether the kernel's counters could be read for the scrape that follows. */
  countersRead(up: boolean): void {
    this.#countersUp.set(Number(up));
  }

  /** All but the kernel's counters, as Prometheus text. */
  async text(): Promise<string> {
    showStatus(this.#gauges, this.#options.status());
    const publication = this.#options.publication?.();
    this.#gauges.published.reset();
    if (publication) this.#gauges.published.set({ source: publication.source }, Number(publication.published));
    return await this.#registry.metrics();
  }
}

type StatusGauges = ReturnType<typeof statusGauges>;

function statusGauges(registry: Registry) {
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  return {
    ready: gauge('clusterf_ready', 'Whether the first full apply is done.'),
    sourceUp: gauge('clusterf_source_up', 'Whether the source is read and watched.', 'source'),
    sourceEntries: gauge('clusterf_source_entries', 'Entries read from the source.', 'source'),
    problems: gauge('clusterf_problems', 'What is wrong, by where.', 'source'),
    quarantined: gauge(
      'clusterf_quarantined_entries',
      'Entries that cannot be read and whose last good value is in force.',
      'source',
    ),
    virtualServices: gauge('clusterf_ipvs_virtual_services', 'Virtual services of ours in the kernel.'),
    destinations: gauge('clusterf_ipvs_destinations', 'Destinations of ours in the kernel.'),
    foreign: gauge(
      'clusterf_ipvs_foreign_virtual_services',
      'Virtual services in the kernel that the tree does not name and we did not make.',
    ),
    brake: gauge('clusterf_ipvs_brake_holding', 'Whether the brake holds removals back.'),
    held: gauge('clusterf_ipvs_held_destinations', 'Destinations whose removal is held back, by why.', 'reason'),
    draining: gauge('clusterf_ipvs_draining_destinations', 'Destinations that drain before they are removed.'),
    drained: gauge('clusterf_ipvs_drained', 'What operators have drained: takes no new connections.', 'kind', 'name'),
    retrying: gauge('clusterf_ipvs_retrying_virtual_services', 'Virtual services the kernel refused something for.'),
    masquerade: gauge('clusterf_ipvs_masquerade_in_place', 'Whether the rules of --masquerade are in place.', 'family'),
    masqueradeDrift: new Counter({
      name: 'clusterf_ipvs_masquerade_drift_total',
      help: 'How often somebody else was found to have changed the rules of --masquerade.',
      registers: [registry],
    }),
    published: gauge('clusterf_ipvs_status_published', "Whether the balancer's status is in etcd.", 'source'),
    lastPass: gauge('clusterf_ipvs_last_pass_timestamp_seconds', 'When the last pass ended, in seconds since 1970.'),
  };
}

function showStatus(gauges: StatusGauges, status: MeasuredStatus): void {
  gauges.ready.set(Number(status.ready));
  for (const gauge of [gauges.sourceUp, gauges.sourceEntries, gauges.problems, gauges.quarantined]) gauge.reset();
  for (const { url: source, state, entries } of status.sources) {
    gauges.sourceUp.set({ source }, Number(state === 'current'));
    gauges.sourceEntries.set({ source }, entries);
    gauges.problems.set({ source }, 0);
    gauges.quarantined.set({ source }, 0);
  }
  for (const { source } of status.problems) gauges.problems.inc({ source });
  for (const { source } of status.quarantined) gauges.quarantined.inc({ source });
  gauges.virtualServices.set(status.virtualServices);
  gauges.destinations.set(status.destinations);
  gauges.foreign.set(status.foreign.length);
  for (const reason of HOLDS) gauges.held.set({ reason }, 0);
  for (const { reason, destinations } of status.held) gauges.held.inc({ reason }, destinations);
  gauges.brake.set(Number(status.held.some(({ reason }) => reason === 'brake')));
  gauges.draining.set(status.draining.length);
  gauges.drained.reset();
  for (const { kind, name } of status.drained) gauges.drained.set({ kind, name }, 1);
  gauges.retrying.set(status.retrying.length);
  gauges.masquerade.reset();
  for (const [family, inPlace] of Object.entries(status.masquerade.families))
    gauges.masquerade.set({ family }, Number(inPlace));
  gauges.masqueradeDrift.reset();
  gauges.masqueradeDrift.inc(status.masquerade.drift);
  if (status.lastPass) gauges.lastPass.set(Date.parse(status.lastPass.at) / 1000);
}
