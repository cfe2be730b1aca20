import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import type { Kernel } from '../facts.js';

/** By files alone: asking for what is not loaded could have the kernel load it. */
export async function gatherKernel(): Promise<Kernel> {
  const directory = `/lib/modules/${release()}`;
  const [modules, dependencies, builtIn] = await Promise.all(
    ['/proc/modules', `${directory}/modules.dep`, `${directory}/modules.builtin`].map(read),
  );
  const loaded = lines(modules).map((line) => line.replace(/ .*$/, ''));
  const inside = lines(builtIn).flatMap((path) => nameOf(path) ?? []);
  const loadable = lines(dependencies).flatMap((line) => nameOf(line.replace(/:.*$/, '')) ?? []);
  return {
    release: release(),
    ipvs: (await read('/proc/net/ip_vs')) !== undefined,
    modular: loaded.length > 0,
    loaded: new Set([...loaded, ...inside]),
    available: dependencies === undefined ? undefined : new Set([...loadable, ...inside]),
  };
}

async function read(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined);
}

function lines(text: string | undefined): readonly string[] {
  return (text ?? '').split('\n').filter((line) => line !== '');
}

/** `kernel/net/netfilter/ipvs/ip_vs_mh.ko.xz` */
function nameOf(path: string): string | undefined {
  const [, name] = /([^/]+)\.ko(\.\w+)?$/.exec(path) ?? [];
  return name?.replaceAll('-', '_');
}
