/**
 * Stands for clusterf-docker on a host without Docker: keeps entries in etcd by the same registrations, under the same
 * lease.
 *
 *     registrar.js URL TTL-MS       each line of standard input: all entries, a JSON object of path and value
 *
 * Ends when standard input does, as clusterf-docker does on SIGTERM: the entries are left to the lease.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type * as Store from '@clusterf/store';
import { projectRoot } from '../lab/project.js';

/** What packages/cli/start.cjs exports. */
interface Starter {
  bundleOf(command: string): string;
  isCurrent(bundle: string): boolean;
  load(bundle: string): { readonly exports: unknown };
}

/** From clusterf-docker's own bundle: reading the hundreds of files behind it takes seconds in the lab's kernel. */
async function loadStore(): Promise<typeof Store> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- plain JavaScript
  const starter = createRequire(import.meta.url)(join(projectRoot(), 'packages', 'cli', 'start.cjs')) as Starter;
  const bundle = starter.bundleOf('clusterf-docker');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- packages/cli/build.mjs puts it in
  return starter.isCurrent(bundle) ? (starter.load(bundle).exports as typeof Store) : await import('@clusterf/store');
}

const [url = '', ttl = ''] = process.argv.slice(2);
const { openRegistrations } = await loadStore();
const registrations = openRegistrations({
  url,
  ttl: Number(ttl),
  onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
});
for await (const line of createInterface(process.stdin)) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are of this project, see process-containers.ts
  registrations.publish(new Map(Object.entries(JSON.parse(line) as Record<string, string>)));
}
await registrations.close();
process.exit(0);
