import { type Clock, HttpEndpoint, type HttpSurface, type Logger, parseHttpListen } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import type { Engine } from './container.js';
import type { Run } from './host-status.js';
import { AgentMetrics } from './metrics.js';
import { type AgentOptions, command, hostName } from './options.js';
import { Report } from './report.js';

export interface HealthParts {
  readonly engine: Engine;
  /** Aborts when the agent ends. */
  readonly ending: AbortSignal;
  /** Where Docker is. */
  readonly docker: string;
  readonly run: Run;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Shows over HTTP how the agent is. What goes wrong here is noted as a problem among the agent's others. */
export class Health implements AsyncDisposable {
  /** For the agent to tell what it does. */
  readonly report: Report;
  readonly #options: AgentOptions;
  readonly #parts: HealthParts;
  readonly #metrics: AgentMetrics;
  #endpoint: HttpEndpoint | undefined;

  constructor(options: AgentOptions, parts: HealthParts) {
    this.#options = options;
    this.#parts = parts;
    this.#metrics = new AgentMetrics({
      command: command.command,
      version: command.version,
      status: () => this.report.status(),
    });
    this.report = new Report({
      ...parts,
      host: hostName(options),
      tree: options.configSource,
      resync: options.resync,
      observer: this.#metrics,
    });
  }

  /** What there is to show. */
  get surface(): HttpSurface {
    const { report } = this;
    return {
      metrics: async () => [await this.#metrics.text()],
      unhealthy: () => report.unhealthy,
      unready: () => report.unready,
      status: () => report.status(),
    };
  }

  /** From here on the agent is shown. */
  show(): void {
    const { clock, log } = this.#parts;
    const listen = parseHttpListen(this.#options.httpListen);
    if (listen === undefined || listen === 'none') return;
    const onProblems = (problems: readonly Problem[]) => this.report.note('http', problems);
    this.#endpoint = new HttpEndpoint({ listen, surface: this.surface, clock, log, onProblems });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endpoint?.close();
  }
}
