import { type Environment, runCommand, systemClock } from '@clusterf/daemon';
import {
  type ClaimEntry,
  etcdConcerns,
  etcdOptions,
  openRegistrations,
  parseSourceUrl,
  type RegistrationEvent,
} from '@clusterf/store';
import { agentSettings, assembleAgent, connect } from './assemble.js';
import { explainContainer } from './explain-container.js';
import type { Explanation } from './explain.js';
import { explanationText } from './explain-text.js';
import { lookUpAddresses } from './host-addresses.js';
import { type AgentOptions, command, dockerEndpoint, givenAddresses, hostName } from './options.js';

/** The `clusterf-docker` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return runCommand(command, argv, env, async (options, { signal, log }) => {
    if (options.explain !== undefined) {
      process.stdout.write(explanationText(await explainFor(options.explain, options, env, signal)));
      return;
    }
    await using agent = assembleAgent(options, {
      open: options.noop ? undefined : openIn(options),
      print: options.print ? printer((text) => process.stdout.write(text)) : undefined,
      env,
      signal,
      clock: systemClock,
      log,
    });
    log.info('started', {
      version: command.version,
      docker: agent.endpoint,
      host: hostName(options),
      tree: parseSourceUrl(options.configSource, etcdOptions(options)).url,
    });
    for (const concern of await etcdConcerns([options.configSource], etcdOptions(options))) log.warn(concern);
    if (!options.once && !options.noop) agent.health.show();
    await agent.run();
  });
}

/** How to open the registrations in the tree that the options name. */
export function openIn(options: AgentOptions) {
  return (claim: ClaimEntry, onEvent: (event: RegistrationEvent) => void) =>
    openRegistrations({ url: options.configSource, etcd: etcdOptions(options), ttl: options.ttl, claim, onEvent });
}

/**
 * Why a container is or is not a backend, by the options of an agent.
 *
 * @param container its name, or its id, or the beginning of that
 * @throws FailureError if Docker has no such container
 * @throws ConfigurationError, UsageError as `assembleAgent`
 */
export async function explainFor(
  container: string,
  options: AgentOptions,
  env: Environment,
  signal: AbortSignal,
): Promise<Explanation> {
  const engine = connect(dockerEndpoint(options, env), env);
  const hostAddresses = await lookUpAddresses(givenAddresses(options), {});
  return await explainContainer(container, engine, { ...agentSettings(options), hostAddresses }, signal);
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
