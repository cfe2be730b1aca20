import { type Environment, runCommand, systemClock } from '@clusterf/daemon';
import { IpvsClient } from '@clusterf/ipvs';
import { etcdOptions, openSource } from '@clusterf/store';
import { runAgent } from './agent.js';
import { ipvsKernel } from './kernel.js';
import { command } from './options.js';
import { Ownership } from './ownership.js';

/** The `clusterf-ipvs` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { log, signal }) => {
    const urls = options.configSource.length > 0 ? options.configSource : ['etcd:'];
    const sources = urls.map((url) => openSource(url, etcdOptions(options)));
    const client = await IpvsClient.open();
    try {
      const { version, connectionTableSize } = await client.info();
      log.info('started', {
        version: command.version,
        sources: sources.map(({ url }) => url),
        kernel: { ipvs: version, connectionTableSize },
      });
      const ownership = await Ownership.load(options.stateDir, (message, error) => log.warn(message, { error }));
      await runAgent(
        {
          ...options,
          method: options.ipvsFwdMethod,
          scheduler: options.ipvsSchedName,
        },
        {
          sources,
          kernel: ipvsKernel(client),
          ownership,
          log,
          print: (text) => process.stdout.write(text),
          clock: systemClock,
          signal,
        },
      );
    } finally {
      client.close();
    }
  });
}
