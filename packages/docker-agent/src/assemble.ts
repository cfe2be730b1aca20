import { hostname } from 'node:os';
import { type Clock, ConfigurationError, type Environment, type Logger, toError } from '@clusterf/daemon';
import { processIdentity } from '@clusterf/store';
import { type AgentParts, runAgent } from './agent.js';
import type { Engine } from './container.js';
import { connectDocker } from './docker.js';
import { Health } from './health.js';
import { type HostAddresses, lookUpAddresses } from './host-addresses.js';
import { type AgentOptions, allowedFrontends, command, dockerEndpoint, givenAddresses, hostName } from './options.js';

/** What differs between a command of its own and a part of another. */
export interface AssemblyParts extends Pick<AgentParts, 'open' | 'print'> {
  /** Where Docker and its certificates are, where no option says. */
  readonly env: Environment;
  /** Tells the agent to end. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
}

/** An agent that is put together, and not at work yet. */
export interface DockerAgent extends AsyncDisposable {
  /** Where Docker is asked. */
  readonly endpoint: string;
  readonly health: Health;
  /** As `runAgent`. */
  readonly run: () => Promise<void>;
}

/**
 * Puts the parts together.
 *
 * @throws ConfigurationError for an endpoint that makes no sense or certificates that cannot be read
 * @throws UsageError for two addresses of one family
 */
export function assembleAgent(options: AgentOptions, parts: AssemblyParts): DockerAgent {
  const { env, signal, clock, log } = parts;
  const endpoint = dockerEndpoint(options, env);
  const engine = connect(endpoint, env);
  const given = givenAddresses(options);
  const { pid } = process;
  const started = new Date().toISOString();
  const run = { version: command.version, machine: hostname(), pid, process: processIdentity(pid), started };
  const lookUp = (before: HostAddresses) => lookUpAddresses(given, before);
  const health = new Health(options, { engine, ending: signal, docker: endpoint, run, clock, log });
  const all = { ...parts, lookUp, report: health.report, run };
  return {
    endpoint,
    health,
    run: async () => await runAgent(all, agentSettings(options), signal),
    [Symbol.asyncDispose]: async () => await health[Symbol.asyncDispose](),
  };
}

/** @throws ConfigurationError for an endpoint that makes no sense or certificates that cannot be read */
export function connect(endpoint: string, env: Environment): Engine {
  try {
    return connectDocker(endpoint, env);
  } catch (thrown) {
    const cause = toError(thrown);
    throw new ConfigurationError(`docker endpoint ${JSON.stringify(endpoint)}: ${cause.message}`, { cause });
  }
}

/** What the command line says, as the agent takes it. */
export function agentSettings(options: AgentOptions) {
  return {
    ...options,
    hostName: hostName(options),
    routeNetworks: options.routeNetwork,
    routeMethod: options.routeIpvsMethod,
    allowFrontend: allowedFrontends(options),
  };
}
