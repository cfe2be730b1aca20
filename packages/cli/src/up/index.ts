/** `clusterf up`: Docker's containers to the kernel's IPVS, both agents in one process, over a tree in memory or in etcd. */
import { join } from 'node:path';
import {
  type Clock,
  type Environment,
  HttpEndpoint,
  type HttpSurface,
  isAbortedByFailure,
  type Logger,
  parseHttpListen,
  runCommand,
  systemClock,
} from '@clusterf/daemon';
import { assembleAgent, hostName } from '@clusterf/docker-agent';
import {
  assembleBalancer,
  type Balancer,
  balancerName,
  lockNamespace,
  namespaceName,
  openKernel,
  StateDirectory,
} from '@clusterf/ipvs-agent';
import { etcdConcerns, etcdOptions } from '@clusterf/store';
import { upArguments } from './arguments.js';
import { balancerOptions, command, dockerAgentOptions, treePlace } from './command.js';
import { Pair } from './pair.js';
import { bothSurfaces } from './surface.js';
import { openTree } from './tree.js';

export { command } from './command.js';

/** @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { log, onHangup, signal }) => {
    const clock = systemClock;
    const place = treePlace(options);
    // Who only looks may do so beside the process that writes.
    if (!options.noop) await lockNamespace(log);
    const state = new StateDirectory(join(options.stateDir, await namespaceName()), log);
    await using tree = await openTree(place, options, state);
    const urls = tree.sources.map(({ url }) => url);
    const forDocker = dockerAgentOptions(options, tree.registry);
    const forBalancer = balancerOptions(options, urls);

    const pair = new Pair(signal);
    await using docker = assembleAgent(forDocker, {
      open: tree.open,
      print: undefined,
      env,
      signal: options.once ? signal : pair.docker,
      clock,
      log,
    });
    using kernel = await openKernel();
    await using balancer = await assembleBalancer(forBalancer, {
      sources: tree.sources,
      kernel,
      state,
      // Docker itself says what there is; an etcd without anything may be a typo in the prefix.
      trustEmpty: place.registry === undefined,
      print: (text) => process.stdout.write(text),
      signal: options.once ? signal : pair.balancer,
      clock,
      log,
    });
    log.info('started', {
      version: command.version,
      host: hostName(forDocker),
      balancer: balancerName(forBalancer),
      docker: docker.endpoint,
      sources: urls,
      kernel: kernel.info,
    });
    for (const concern of await etcdConcerns(urls, etcdOptions(options))) log.warn(concern);
    const { agent, leave } = balancer;

    if (options.once) {
      await docker.run();
      return await agent.runOnce();
    }
    const told = { options: await upArguments(options), tree: tree.entries };
    const http = options.noop
      ? undefined
      : show(options.httpListen, bothSurfaces(docker, balancer, told), balancer, { clock, log });
    onHangup(() => agent.reread());
    try {
      await pair.run(docker.run, async () => {
        await agent.run();
        if (!options.noop && !isAbortedByFailure(pair.balancer)) await leave();
      });
    } finally {
      await http?.close();
    }
  });
}

/** Both agents at one place, and the balancer in etcd if there is one. */
function show(
  httpListen: string,
  surface: HttpSurface,
  { agent, health }: Balancer,
  parts: { readonly clock: Clock; readonly log: Logger },
): HttpEndpoint | undefined {
  health.publish(agent);
  const listen = parseHttpListen(httpListen);
  if (listen === undefined || listen === 'none') return undefined;
  return new HttpEndpoint({
    ...parts,
    listen,
    surface,
    onProblems: (problems) => agent.note('http', problems),
  });
}
