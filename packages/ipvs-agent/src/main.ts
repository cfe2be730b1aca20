import { join } from 'node:path';
import { type Environment, runCommand, systemClock } from '@clusterf/daemon';
import { etcdConcerns, etcdOptions, MemoryTree, openSource } from '@clusterf/store';
import { assembleBalancer } from './assemble.js';
import { lockNamespace, namespaceName } from './lock.js';
import { openKernel } from './open-kernel.js';
import { clearing, command } from './options.js';
import { StateDirectory } from './state-directory.js';

/** The `clusterf-ipvs` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (given, { log, onHangup, signal }) => {
    const options = given.clear ? clearing(given) : given;
    // Who only reads may do so beside the agent that writes.
    if (!options.noop) await lockNamespace(log);
    const urls = options.configSource.length > 0 ? options.configSource : ['etcd:'];
    // A tree that names nothing leaves nothing of ours in the kernel.
    const sources = options.clear ? [new MemoryTree()] : urls.map((url) => openSource(url, etcdOptions(options)));
    using kernel = await openKernel();
    log.info('started', { version: command.version, sources: sources.map(({ url }) => url), kernel: kernel.info });
    for (const concern of await etcdConcerns(urls, etcdOptions(options))) log.warn(concern);

    await using balancer = await assembleBalancer(options, {
      sources,
      kernel,
      state: new StateDirectory(join(options.stateDir, await namespaceName()), log),
      trustEmpty: options.clear,
      print: (text) => process.stdout.write(text),
      signal,
      clock: systemClock,
      log,
    });
    const { agent, health, leave } = balancer;
    if (options.once || options.clear) {
      await agent.runOnce();
    } else {
      if (!options.noop) health.show(agent);
      onHangup(() => agent.reread());
      await agent.run();
    }
    if (!options.noop && !options.once) await leave();
  });
}
