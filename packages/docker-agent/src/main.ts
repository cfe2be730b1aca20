import { hostname } from 'node:os';
import { ConfigurationError, runCommand, systemClock, toError, type Environment } from '@clusterf/daemon';
import {
  type ClaimEntry,
  etcdOptions,
  openRegistrations,
  processIdentity,
  type RegistrationEvent,
} from '@clusterf/store';
import { runAgent } from './agent.js';
import type { Engine } from './container.js';
import { connectDocker } from './docker.js';
import { explainContainer } from './explain-container.js';
import { explanationText } from './explain-text.js';
import { Health } from './health.js';
import { type HostAddresses, lookUpAddresses } from './host-addresses.js';
import { allowedFrontends, command, dockerEndpoint, givenAddresses, hostName, type AgentOptions } from './options.js';

/** The `clusterf-docker` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return runCommand(command, argv, env, async (options, { signal, log }) => {
    const endpoint = dockerEndpoint(options, env);
    const engine = connect(endpoint, env);
    const given = givenAddresses(options);
    if (options.explain !== undefined) {
      const asked = { ...settings(options), hostAddresses: await lookUpAddresses(given, {}) };
      process.stdout.write(explanationText(await explainContainer(options.explain, engine, asked, signal)));
      return;
    }
    const open = (claim: ClaimEntry, onEvent: (event: RegistrationEvent) => void) =>
      openRegistrations({ url: options.configSource, etcd: etcdOptions(options), ttl: options.ttl, claim, onEvent });
    const { pid } = process;
    const started = new Date().toISOString();
    const run = { version: command.version, machine: hostname(), pid, process: processIdentity(pid), started };
    log.info('started', {
      version: command.version,
      docker: endpoint,
      host: hostName(options),
      tree: options.configSource,
    });
    const print = options.print ? printer((text) => process.stdout.write(text)) : undefined;
    const lookUp = (before: HostAddresses) => lookUpAddresses(given, before);
    const clock = systemClock;
    await using health = new Health(options, { engine, ending: signal, docker: endpoint, run, clock, log });
    const { report } = health;
    if (!options.once && !options.noop) health.show();
    const parts = { open: options.noop ? undefined : open, print, lookUp, report, clock, log, run };
    await runAgent(parts, settings(options), signal);
  });
}

/** @throws ConfigurationError for an endpoint that makes no sense or certificates that cannot be read */
function connect(endpoint: string, env: Environment): Engine {
  try {
    return connectDocker(endpoint, env);
  } catch (thrown) {
    const cause = toError(thrown);
    throw new ConfigurationError(`docker endpoint ${JSON.stringify(endpoint)}: ${cause.message}`, { cause });
  }
}

function settings(options: AgentOptions) {
  return {
    ...options,
    hostName: hostName(options),
    routeNetworks: options.routeNetwork,
    routeMethod: options.routeIpvsMethod,
    allowFrontend: allowedFrontends(options),
  };
}

/** Prints all entries, one `path value` a line and an empty line after the last, whenever they differ from before. */
function printer(write: (text: string) => void): (entries: ReadonlyMap<string, string>) => void {
  let before: string | undefined;
  return (entries) => {
    const lines = [...entries].map(([path, value]) => `${path} ${value}\n`).toSorted();
    const text = `${lines.join('')}\n`;
    if (text !== before) write(text);
    before = text;
  };
}
