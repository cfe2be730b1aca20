import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../lab/index.js';
import type { Place } from './place.js';

export type BirdRole = 'router' | 'edge';

/** BIRD in a place, on test/cluster/bird/<role>.conf and the definitions of the place. */
export class Bird {
  readonly #place: Place;
  readonly #directory: string;
  readonly #socket: string;
  #child: ChildProcess | undefined;

  private constructor(place: Place, directory: string) {
    this.#place = place;
    this.#directory = directory;
    this.#socket = join(directory, 'bird.ctl');
  }

  /** Starts it; that neighbours have found each other shows in the router's routes. */
  static async start(place: Place, role: BirdRole, definitions: string, parent: string): Promise<Bird> {
    const directory = join(parent, `${place.name}.bird`);
    await mkdir(directory, { recursive: true });
    await copyFile(clusterFile('bird', `${role}.conf`), join(directory, 'bird.conf'));
    await writeFile(join(directory, 'place.conf'), definitions);
    const bird = new Bird(place, directory);
    bird.start();
    return bird;
  }

  start(): void {
    const command = ['bird', '-f', '-c', join(this.#directory, 'bird.conf'), '-s', this.#socket];
    // What detects a dead neighbour within milliseconds must not itself wait for the processor.
    this.#child = this.#place.spawn(['nice', '-n', '-15', ...command], { log: 'bird' });
  }

  /** SIGTERM says goodbye to the neighbours; SIGKILL leaves it to them to find out. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  /** What birdc says to a command, such as `show bfd sessions`. */
  async ask(...words: readonly string[]): Promise<string> {
    return await this.#place.run('birdc', '-r', '-s', this.#socket, ...words);
  }
}

/** A file of test/cluster that is not compiled. */
export function clusterFile(...path: readonly string[]): string {
  return join(projectRoot(), 'test', 'cluster', ...path);
}
