import { defineCommand, type Environment, runCommand } from '@clusterf/daemon';
import { ConfigTree } from '@clusterf/model';
import { etcdFlags, etcdOptions, openSource, openTree, type SourceEvent, sourceFlags } from '@clusterf/store';
import { configAsJson, configAsText } from './config-output.js';
import { complain, inWords } from './tree/in-words.js';
import { VERSION } from './version.js';

export const command = defineCommand({
  command: 'clusterf-config',
  summary:
    'Prints the configuration that the agents see: all sources merged, defaults filled in.\n\n' +
    'Without --listen it ends, with 1 if a source cannot be read; with --listen it prints the whole configuration again ' +
    'whenever something changes.',
  version: VERSION,
  attended: true,
  options: {
    ...sourceFlags,
    ...etcdFlags,
    json: { type: 'boolean', group: 'Output', describe: 'one line of JSON' },
    listen: { type: 'boolean', group: 'Output', describe: 'go on, and print every change' },
  },
});

/** The `clusterf-config` command. @returns the exit code */
export async function main(argv: readonly string[], env: Environment): Promise<number> {
  return await runCommand(command, argv, env, async (options, { signal }) =>
    inWords(command, async () => {
      const urls = options.configSource.length > 0 ? options.configSource : ['etcd:'];
      const etcd = etcdOptions(options);
      const sources = urls.map((url) => openSource(url, etcd));
      const tree = new ConfigTree(
        sources.map(({ url }) => url),
        { filterRoutes: options.filterRoutes },
      );
      const told = new Set<string>();
      const print = () => {
        for (const { source, key, message } of tree.problems) {
          const problem = `${source}: ${key === '' ? '' : `${key}: `}${message}`;
          if (!told.has(problem)) complain(command, `warning: ${problem}`);
          told.add(problem);
        }
        process.stdout.write(options.json ? configAsJson(tree.config) : configAsText(tree.config));
      };
      if (!options.listen) {
        for (const [index, url] of urls.entries()) tree.apply(index, await snapshot(url));
        print();
        return;
      }
      await Promise.all(
        sources.map(async (source, index) => {
          for await (const event of source.events(signal)) {
            if (event.type === 'unavailable') complain(command, `warning: ${event.error.message}; waiting for it`);
            const wasComplete = tree.complete;
            const { services, routes, sync, hosts, balancers } = tree.apply(index, event);
            const changed = services.size > 0 || routes || sync || hosts.size > 0 || balancers.size > 0;
            if (tree.complete && (changed || !wasComplete)) print();
          }
        }),
      );

      async function snapshot(url: string): Promise<SourceEvent> {
        using opened = openTree(url, etcd);
        signal.addEventListener('abort', () => opened[Symbol.dispose]());
        const reading = await opened.read();
        return { type: 'snapshot', entries: new Map([...reading].map(([path, { value }]) => [path, value])) };
      }
    }),
  );
}
