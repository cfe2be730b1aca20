import { agentRegistry, Counter, Gauge, Histogram, type Registry } from '@clusterf/daemon';
import type { RegistrationEvent } from '@clusterf/store';
import { ACTIONS } from './docker-events.js';
import type { Observer, Outcome } from './observer.js';
import { type AgentStatus, CONDITIONS } from './status.js';

export interface AgentMetricsOptions {
  readonly command: string;
  readonly version: string;
  /** Asked at every scrape. */
  readonly status: () => AgentStatus;
}

const OUTCOMES: readonly Outcome[] = ['done', 'failed'];
const CHANGES = { 'put key': 'put', 'removed key': 'removed', 'lost key': 'lost' } as const;

/** Seconds, from 1 ms to 30 s. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What the agent does, counted, and what it is like at the moment of a scrape. docs/metrics.md says what each means. */
export class AgentMetrics implements Observer {
  readonly #options: AgentMetricsOptions;
  readonly #registry: Registry;
  readonly #counters: ReturnType<typeof makeCounters>;
  readonly #gauges: Gauges;

  constructor(options: AgentMetricsOptions) {
    this.#options = options;
    this.#registry = agentRegistry(options);
    this.#counters = makeCounters(this.#registry);
    this.#gauges = makeGauges(this.#registry);
    // From 0 on, so that the first of each shows as an increase.
    for (const outcome of OUTCOMES) {
      this.#counters.inspects.inc({ outcome }, 0);
      this.#counters.listings.inc({ outcome }, 0);
    }
    for (const kind of Object.values(CHANGES)) this.#counters.changes.inc({ kind }, 0);
  }

  event(type: 'container' | 'network', action: string): void {
    this.#counters.events.inc({ type, action: knownAction(action) });
  }

  inspect(outcome: Outcome, seconds: number): void {
    this.#counters.inspects.inc({ outcome });
    this.#counters.inspectDuration.observe(seconds);
  }

  listing(outcome: Outcome): void {
    this.#counters.listings.inc({ outcome });
  }

  loss(): void {
    this.#counters.losses.inc();
  }

  eventToEtcd(seconds: number): void {
    this.#counters.eventToEtcd.observe(seconds);
  }

  registration({ type }: RegistrationEvent): void {
    switch (type) {
      case 'put key':
      case 'removed key':
      case 'lost key':
        this.#counters.changes.inc({ kind: CHANGES[type] });
        break;
      case 'lease lost':
        this.#counters.leasesLost.inc();
        break;
      case 'failed':
        this.#counters.failures.inc();
        break;
      case 'lease granted':
      case 'claim contested':
      case 'claimed':
      case 'held by another':
      case 'refused':
      case 'recovered':
        break;
    }
  }

  /** As Prometheus text. */
  async text(): Promise<string> {
    showStatus(this.#gauges, this.#options.status());
    return await this.#registry.metrics();
  }
}

/** `health_status: healthy` without what follows; what Docker was not asked for may be anything, secrets included. */
function knownAction(action: string): string {
  const [name = ''] = action.split(':');
  return ACTIONS.includes(name) ? name : 'other';
}

function makeCounters(registry: Registry) {
  const registers = [registry];
  const counter = (name: string, help: string, ...labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers });
  const histogram = (name: string, help: string) => new Histogram({ name, help, buckets: BUCKETS, registers });
  return {
    events: counter('clusterf_docker_events_total', 'Events of Docker.', 'type', 'action'),
    losses: counter('clusterf_docker_event_stream_losses_total', 'Event streams that ended before the agent did.'),
    inspects: counter('clusterf_docker_inspects_total', 'Inspects of containers, by what became of them.', 'outcome'),
    inspectDuration: histogram('clusterf_docker_inspect_duration_seconds', 'Time that Docker took for an inspect.'),
    listings: counter('clusterf_docker_listings_total', 'Listings of containers, by what became of them.', 'outcome'),
    eventToEtcd: histogram(
      'clusterf_docker_event_to_etcd_seconds',
      'Time from the arrival of an event until etcd had what came of it.',
    ),
    changes: counter('clusterf_docker_key_changes_total', 'Keys of ours in etcd that changed, by how.', 'kind'),
    leasesLost: counter('clusterf_docker_leases_lost_total', 'Leases that ended before the agent did.'),
    failures: counter('clusterf_docker_etcd_failures_total', 'Failures of etcd; one that repeats itself counts once.'),
  };
}

function makeGauges(registry: Registry) {
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  return {
    ready: gauge('clusterf_ready', 'Whether what was found at the start is registered.'),
    problems: gauge('clusterf_problems', 'What is wrong, by where.', 'source'),
    up: gauge('clusterf_docker_up', 'Whether Docker is listed and its events are heard.'),
    lastListing: gauge('clusterf_docker_last_listing_timestamp_seconds', 'When Docker last listed its containers.'),
    containers: gauge('clusterf_docker_containers', 'Labelled containers that run, by what they are told by.', 'state'),
    backends: gauge('clusterf_docker_backends', 'Backends that this host registers, by service.', 'service'),
    frontends: gauge('clusterf_docker_frontends', 'Frontends that labels ask for and that are allowed.'),
    held: gauge('clusterf_docker_frontends_held', 'Of those, how many somebody else has put.'),
    routes: gauge('clusterf_docker_routes', 'Routes that this host advertises.'),
    lease: gauge('clusterf_docker_lease', 'Whether there is a lease, and the name of the host on it.'),
    settled: gauge('clusterf_docker_settled', 'Whether all that should be in etcd is.'),
    etcd: gauge('clusterf_docker_etcd_up', 'Whether etcd did what it was last asked.'),
  };
}

function showStatus(gauges: Gauges, status: AgentStatus): void {
  const { docker, tree, containers, services, frontends, problems } = status;
  gauges.ready.set(Number(status.ready));
  gauges.problems.reset();
  gauges.problems.set({ source: 'docker' }, 0);
  for (const { source } of problems) gauges.problems.inc({ source });
  gauges.up.set(Number(docker.state === 'current'));
  if (docker.lastListing !== undefined) gauges.lastListing.set(Date.parse(docker.lastListing) / 1000);
  for (const state of CONDITIONS) gauges.containers.set({ state }, containers[state]);
  gauges.backends.reset();
  for (const { service, backends } of services) gauges.backends.set({ service }, backends);
  gauges.frontends.set(frontends.wanted);
  gauges.held.set(frontends.held);
  gauges.routes.set(status.routes);
  gauges.lease.set(Number(tree.claimed));
  gauges.settled.set(Number(tree.settled));
  gauges.etcd.set(Number(tree.error === undefined));
}

type Gauges = ReturnType<typeof makeGauges>;
