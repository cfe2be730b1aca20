import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * `host`: as it is. `machine`: in a lab machine of its own, as root there, since it changes the kernel's tables.
 * `containers`: in a machine too, but one that needs no IPVS, so that the host's own kernel may do, many times faster.
 */
export type Place = 'host' | 'machine' | 'containers';

/** Every layer and where it runs; test/jest.config.mjs says which files are whose. */
export const LAYERS = {
  unit: 'host',
  etcd: 'host',
  lab: 'host',
  docker: 'containers',
  kernel: 'machine',
  e2e: 'machine',
  cluster: 'machine',
} as const satisfies Record<string, Place>;

export type Layer = keyof typeof LAYERS;

export function isLayer(word: string): word is Layer {
  return Object.hasOwn(LAYERS, word);
}

/**
 * The order: stages one after the other, the tracks of a stage side by side, the layers of a track one after the other.
 * First what is quick and likely to fail; then two tracks for two cores, since a machine keeps to one. What has its clients
 * count milliseconds comes last, when the other track is about to end.
 */
export const STAGES: readonly (readonly (readonly Layer[])[])[] = [
  [['unit']],
  [
    ['docker', 'e2e', 'cluster'],
    ['etcd', 'kernel', 'lab'],
  ],
];

/** Test files by layer, as paths from `root`. */
export function testFiles(root: string): ReadonlyMap<Layer, readonly string[]> {
  const files = new Map<Layer, string[]>(
    Object.keys(LAYERS)
      .filter(isLayer)
      .map((layer) => [layer, []]),
  );
  for (const path of [...walk(join(root, 'packages')), ...walk(join(root, 'test'))]) {
    const layer = layerOf(path);
    if (layer !== undefined) files.get(layer)?.push(relative(root, path));
  }
  return files;
}

/** The layer a file's name says, or undefined when it is no test. */
export function layerOf(path: string): Layer | undefined {
  const name = /([^/]+)\.test\.ts$/.exec(path)?.[1];
  if (name === undefined) return undefined;
  const word = name.split('.').slice(1).at(-1) ?? 'unit';
  return isLayer(word) ? word : 'unit';
}

function* walk(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'dist') continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else yield path;
  }
}
