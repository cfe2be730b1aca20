import { hostname } from 'node:os';
import { type Clock, HttpEndpoint, type HttpSurface, type Logger, parseHttpListen } from '@clusterf/daemon';
import { IpvsClient } from '@clusterf/ipvs';
import type { Problem } from '@clusterf/model';
import { etcdOptions, openRegistrations } from '@clusterf/store';
import type { IpvsAgent } from './agent.js';
import { BalancerStatus, statusSource } from './balancer-status.js';
import { AgentMetrics } from './metrics.js';
import { balancerName, type CommandOptions, command } from './options.js';
import type { Observer } from './report.js';
import { Scraper } from './scrape.js';
import type { AgentStatus } from './status.js';

export interface HealthParts {
  /** URLs of the agent's sources. */
  readonly sources: readonly string[];
  readonly log: Logger;
  readonly clock: Clock;
}

/**
 * Shows how the agent is: over HTTP, and as an entry in etcd. It watches the agent and never holds it up; what goes
 * wrong here is noted as a problem among the agent's others.
 */
export class Health implements AsyncDisposable {
  readonly #options: CommandOptions;
  readonly #parts: HealthParts;
  readonly #metrics: AgentMetrics;
  readonly #started = new Date().toISOString();
  #agent: IpvsAgent | undefined;
  #scraper: Scraper | undefined;
  #endpoint: HttpEndpoint | undefined;
  #published: BalancerStatus | undefined;

  constructor(options: CommandOptions, parts: HealthParts) {
    this.#options = options;
    this.#parts = parts;
    const status = () => this.#status();
    this.#metrics = new AgentMetrics({
      command: command.command,
      version: command.version,
      status,
      publication: () => this.#published?.publication,
    });
  }

  /** Counts what the agent does. */
  get observer(): Observer {
    const metrics = this.#metrics;
    return {
      operation: (kind, outcome) => metrics.operation(kind, outcome),
      drift: (kind) => metrics.drift(kind),
      eventToKernel: (seconds) => metrics.eventToKernel(seconds),
      pass: (pass, outcome) => {
        metrics.pass(pass, outcome);
        this.#published?.changed();
      },
      counted: () => this.#published?.changed(),
    };
  }

  /** From here on the agent is shown. */
  show(agent: IpvsAgent): void {
    const { clock, log } = this.#parts;
    const listen = parseHttpListen(this.#options.httpListen);
    if (listen !== undefined && listen !== 'none') {
      const surface = this.surface(agent);
      const onProblems = (problems: readonly Problem[]) => this.#note('http', problems);
      this.#endpoint = new HttpEndpoint({ listen, surface, clock, log, onProblems });
    }
    this.publish(agent);
  }

  /** What there is to show over HTTP. */
  surface(agent: IpvsAgent): HttpSurface {
    this.#agent = agent;
    const scraper = new Scraper({
      metrics: this.#metrics,
      open: async () => await IpvsClient.open(),
      names: () => agent.names,
      clock: this.#parts.clock,
      onProblems: (problems) => this.#note('counters', problems),
    });
    this.#scraper = scraper;
    return {
      metrics: async () => await scraper.scrape(),
      unhealthy: () => agent.unhealthy,
      unready: () => agent.unready,
      status: () => this.#status(),
    };
  }

  /** Keeps its status in the first source that is an etcd, if any is. */
  publish(agent: IpvsAgent): void {
    this.#agent = agent;
    const { clock, log, sources } = this.#parts;
    const url = statusSource(sources);
    if (url === undefined) return;
    this.#published = new BalancerStatus({
      balancer: balancerName(this.#options),
      source: url,
      open: (claim, onEvent) =>
        openRegistrations({ url, etcd: etcdOptions(this.#options), ttl: this.#options.ttl, claim, onEvent }),
      status: () => this.#status(),
      log,
      clock,
      onProblems: (problems) => this.#note('status', problems),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#endpoint?.close(), this.#published?.close()]);
    this.#scraper?.close();
  }

  #note(where: string, problems: readonly Problem[]): void {
    this.#agent?.note(where, problems);
    this.#published?.changed();
  }

  #status(): AgentStatus {
    const agent = this.#agent;
    if (agent === undefined) throw new TypeError('nothing is shown yet');
    return {
      version: command.version,
      balancer: balancerName(this.#options),
      machine: hostname(),
      pid: process.pid,
      started: this.#started,
      onlyHost: this.#options.onlyHost,
      ...agent.status(),
    };
  }
}
