/** What `clusterf-ipvs` would make of trees and kernel, for commands that only look. */
import { join } from 'node:path';
import { type CommandContext, FailureError, type Logger, ProblemLog, systemClock } from '@clusterf/daemon';
import type { Problem } from '@clusterf/model';
import { etcdOptions, openSource, type Source } from '@clusterf/store';
import { assembleBalancer, etcdEndpoints } from './assemble.js';
import { Follower } from './follow.js';
import { namespaceName } from './lock.js';
import type { OpenKernel } from './open-kernel.js';
import type { CommandOptions } from './options.js';
import type { Desired } from './plan.js';
import { Planner } from './planner.js';
import type { Rehearsal } from './rehearsal.js';
import { StateDirectory } from './state-directory.js';

/** What trees come to. */
export interface Planned {
  /** What the kernel should hold. */
  readonly desired: Desired;
  /** What is wrong or left out, and why; logged too. */
  readonly problems: readonly Problem[];
}

type Context = Pick<CommandContext, 'log' | 'signal'>;

/**
 * Reads every source once and plans; asks no kernel.
 *
 * @throws FailureError if a source cannot be read
 */
export async function planOnce(options: CommandOptions, { log, signal }: Context): Promise<Planned> {
  const sources = openSources(options);
  const follower = new Follower(sources, { ...options, once: true }, log, systemClock);
  const etcd = etcdEndpoints(sources, systemClock);
  const read = new AbortController();
  await follower.run(AbortSignal.any([signal, read.signal]), () => {
    if (follower.tree.complete) read.abort();
  });
  await etcd.refresh();
  const { ipvsFwdMethod: method, ipvsSchedName: scheduler } = options;
  const planner = new Planner({ ...options, method, scheduler, etcdServedAt: (id) => etcd.servedAt(id) });
  planner.update(follower.tree.config, follower.takeChanges());
  const problems = [...follower.tree.problems, ...planner.problems];
  new ProblemLog(log).update(problems);
  return { desired: planner.desired, problems };
}

/**
 * Reads every source, the kernel and this machine once; writes nothing.
 *
 * @throws FailureError if a source cannot be read
 */
export async function rehearse(
  options: CommandOptions,
  kernel: OpenKernel,
  { log, signal }: Context,
): Promise<Planned & { readonly rehearsal: Rehearsal }> {
  await using balancer = await assembleBalancer(
    { ...options, noop: true, once: true },
    {
      sources: openSources(options),
      kernel,
      state: new StateDirectory(join(options.stateDir, await namespaceName()), log),
      print: () => {},
      signal,
      clock: systemClock,
      log: inTheBackground(log),
    },
  );
  const { agent } = balancer;
  await agent.runOnce();
  const { rehearsal, names: desired } = agent;
  if (rehearsal === undefined) throw new FailureError('interrupted');
  const { problems } = agent.status();
  new ProblemLog(log).update(problems);
  return { rehearsal, desired, problems };
}

/** What an agent would log is what the rehearsal comes to. */
function inTheBackground(log: Logger): Logger {
  const debug: Logger['debug'] = (message, fields) => log.debug(message, fields);
  return {
    error: (message, fields) => log.error(message, fields),
    warn: debug,
    info: debug,
    debug,
    with: (fields) => inTheBackground(log.with(fields)),
    close: async () => await log.close(),
  };
}

function openSources(options: CommandOptions): readonly Source[] {
  const urls = options.configSource.length > 0 ? options.configSource : ['etcd:'];
  return urls.map((url) => openSource(url, etcdOptions(options)));
}
