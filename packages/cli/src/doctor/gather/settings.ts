/** What the agents are told, read as they read it themselves. */
import { existsSync } from 'node:fs';
import {
  CommandError,
  type CommandSpec,
  type Environment,
  type OptionsOf,
  type ParsedCommand,
  parseOptions,
} from '@clusterf/daemon';
import { command as dockerCommand } from '@clusterf/docker-agent';
import { command as ipvsCommand } from '@clusterf/ipvs-agent';
import type { DoctorOptions } from '../command.js';

/** The options of an agent as a whole, with what is wrong with them. */
export interface AgentOptions<S extends CommandSpec> {
  readonly options: OptionsOf<S>;
  readonly misconfigured: readonly string[];
}

export type IpvsOptions = OptionsOf<typeof ipvsCommand>;
export type DockerOptions = OptionsOf<typeof dockerCommand>;

export async function ipvsOptions(options: DoctorOptions, env: Environment): Promise<AgentOptions<typeof ipvsCommand>> {
  return await agentOptions(ipvsCommand, options, options.ipvsConfig, env);
}

export async function dockerOptions(
  options: DoctorOptions,
  env: Environment,
): Promise<AgentOptions<typeof dockerCommand>> {
  return await agentOptions(dockerCommand, options, options.dockerConfig, env);
}

/** Where what is written makes no sense, the agent's defaults are taken: there is more to look at. */
async function agentOptions<const S extends CommandSpec>(
  spec: S,
  options: DoctorOptions,
  file: string,
  env: Environment,
): Promise<AgentOptions<S>> {
  const given = existsSync(file) ? [`--config=${file}`] : [];
  const misconfigured: string[] = [];
  for (const argv of [[...given, ...argumentsFor(spec, options)], argumentsFor(spec, options), []]) {
    try {
      const parsed = await parseOptions(spec, argv, argv.length === 0 ? {} : withoutConfig(env));
      if (parsed.kind === 'run') return { options: optionsIn(parsed), misconfigured };
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      misconfigured.push(`${spec.command}: ${error.message}`);
    }
  }
  throw new TypeError(`${spec.command} has no defaults`);
}

function optionsIn<S extends CommandSpec>(parsed: Extract<ParsedCommand<S>, { readonly kind: 'run' }>): OptionsOf<S> {
  return parsed.options;
}

/** That of ours which is an agent's too. */
function argumentsFor(spec: CommandSpec, options: DoctorOptions): readonly string[] {
  return Object.entries(options).flatMap(([key, value]) => {
    const name = key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (value === undefined || !Object.hasOwn(spec.options, name)) return [];
    return (Array.isArray(value) ? value : [value]).map((text) => `--${name}=${String(text)}`);
  });
}

/** A variable that names one agent's file is none for the other. */
function withoutConfig(env: Environment): Environment {
  return { ...env, CLUSTERF_CONFIG: undefined };
}
