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
import { argumentsFor } from '../../up/arguments.js';
import { asUpIsTold, IN_MEMORY, type OptionsWithin } from '../../up/as-told.js';
import { balancerOptions, dockerAgentOptions } from '../../up/command.js';
import type { RunningUp } from '../../up/running.js';
import type { DoctorOptions } from '../command.js';

/** The options of an agent as a whole, with what is wrong with them. */
export interface AgentOptions<S extends CommandSpec> {
  readonly options: OptionsOf<S>;
  readonly misconfigured: readonly string[];
}

export type IpvsOptions = OptionsOf<typeof ipvsCommand>;
export type DockerOptions = OptionsOf<typeof dockerCommand>;

/** @param up that runs on this machine */
export async function ipvsOptions(
  options: DoctorOptions,
  env: Environment,
  up: RunningUp | undefined,
): Promise<AgentOptions<typeof ipvsCommand>> {
  return await agentOptions(ipvsCommand, options, options.ipvsConfig, env, up, (told, { registry, sources }) => ({
    ...balancerOptions(told, registry === undefined ? [IN_MEMORY, ...sources] : sources),
    httpListen: told.httpListen,
  }));
}

/** @param up that runs on this machine */
export async function dockerOptions(
  options: DoctorOptions,
  env: Environment,
  up: RunningUp | undefined,
): Promise<AgentOptions<typeof dockerCommand>> {
  return await agentOptions(
    dockerCommand,
    options,
    options.dockerConfig,
    env,
    up,
    (told, { registry = IN_MEMORY }) => ({
      ...dockerAgentOptions(told, registry),
      httpListen: told.httpListen,
    }),
  );
}

/** Where what is written makes no sense, the agent's defaults are taken: there is more to look at. */
async function agentOptions<const S extends CommandSpec>(
  spec: S,
  options: DoctorOptions,
  file: string,
  env: Environment,
  up: RunningUp | undefined,
  within: OptionsWithin,
): Promise<AgentOptions<S>> {
  // What runs knows better than a file what it was told.
  const given = existsSync(file) && up === undefined ? [`--config=${file}`] : [];
  const misconfigured: string[] = [];
  for (const args of [[...given, ...argumentsFor(spec, options)], argumentsFor(spec, options), []]) {
    try {
      const own = { argv: args, env: args.length === 0 ? {} : withoutConfig(env) };
      const told = await asUpIsTold(spec, own, within, async () => up);
      const parsed = await parseOptions(spec, told.argv, told.env);
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

/** A variable that names one agent's file is none for the other. */
function withoutConfig(env: Environment): Environment {
  return { ...env, CLUSTERF_CONFIG: undefined };
}
