import { access, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import type { Kernel } from '../facts.js';

/** By files alone: asking for what is not loaded could have the kernel load it. */
export async function gatherKernel(): Promise<Kernel> {
  const modules = await readFile('/proc/modules', 'utf8').catch(() => '');
  return {
    release: release(),
    ipvs: await access('/proc/net/ip_vs').then(
      () => true,
      () => false,
    ),
    loaded: new Set(modules.split('\n').flatMap((line) => (line === '' ? [] : [line.replace(/ .*$/, '')]))),
    available: await available(`/lib/modules/${release()}`),
  };
}

/** What is built in, and what modprobe would find. */
async function available(directory: string): Promise<ReadonlySet<string> | undefined> {
  const [dependencies, builtIn] = await Promise.all(
    ['modules.dep', 'modules.builtin'].map(
      async (name) => await readFile(`${directory}/${name}`, 'utf8').catch(() => undefined),
    ),
  );
  if (dependencies === undefined) return undefined;
  const paths = [...dependencies.split('\n').map((line) => line.replace(/:.*$/, '')), ...(builtIn ?? '').split('\n')];
  return new Set(paths.flatMap((path) => nameOf(path) ?? []));
}

/** `kernel/net/netfilter/ipvs/ip_vs_mh.ko.xz` */
function nameOf(path: string): string | undefined {
  const [, name] = /([^/]+)\.ko(\.\w+)?$/.exec(path) ?? [];
  return name?.replaceAll('-', '_');
}
