import { join } from 'node:path';
import { type Environment, runCommand, systemClock } from '@clusterf/daemon';
import { IpvsClient } from '@clusterf/ipvs';
import { etcdOptions, openSource } from '@clusterf/store';
import type { z } from 'zod';
import { IpvsAgent } from './agent.js';
import { Brake } from './brake.js';
import { DrainState, Drains } from './drain.js';
import { ipvsKernel } from './kernel.js';
import { lockNamespace, namespaceName } from './lock.js';
import { command, parseShare } from './options.js';
import { OwnedState, Ownership } from './ownership.js';
import { Restraint } from './restraint.js';
import { StateFile } from './state-file.js';

/** The `clusterf-ipvs` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { log, signal, onHangup }) => {
    // Who only reads may do so beside the agent that writes.
    if (!options.noop) await lockNamespace(log);
    const urls = options.configSource.length > 0 ? options.configSource : ['etcd:'];
    const sources = urls.map((url) => openSource(url, etcdOptions(options)));
    using client = await IpvsClient.open();
    using onlooker = await IpvsClient.open();
    const { version, connectionTableSize } = await client.info();
    log.info('started', {
      version: command.version,
      sources: sources.map(({ url }) => url),
      kernel: { ipvs: version, connectionTableSize },
    });

    const directory = join(options.stateDir, await namespaceName());
    const state = async <T>(name: string, schema: z.ZodType<T>, empty: T) =>
      await StateFile.load({ directory, name, schema, empty, report: (text, error) => log.warn(text, { error }) });
    const clock = systemClock;
    const wall = Date.now;
    const brake = new Brake({ share: parseShare(options.brake) ?? 1, hold: options.brakeHold });
    const drainState = await state('draining', DrainState, { version: 1, drains: [] });
    const drains = new Drains({ timeout: options.drainTimeout }, drainState, clock.now(), wall());
    const agent = new IpvsAgent(
      { ...options, method: options.ipvsFwdMethod, scheduler: options.ipvsSchedName },
      {
        sources,
        kernel: ipvsKernel(client, onlooker),
        ownership: new Ownership(await state('owned', OwnedState, { version: 1, virtualServices: [] })),
        restraint: new Restraint({ brake, drains, clock, log }),
        observer: { operation: () => {}, drift: () => {}, pass: () => {}, eventToKernel: () => {} },
        log,
        print: (text) => process.stdout.write(text),
        clock,
        wall,
        signal,
      },
    );
    onHangup(() => agent.reread());
    await (options.once ? agent.runOnce() : agent.run());
  });
}
