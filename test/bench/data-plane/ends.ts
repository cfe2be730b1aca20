/** The two ends of the traffic, as processes. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Place } from '../../cluster/place.js';
import { until } from '../../fixtures/until.js';
import { projectRoot } from '../../lab/index.js';
import { PORTS } from './topology.js';

const run = promisify(execFile);

/** Compiles serve.c or load.c. @returns the program */
export async function compile(name: 'serve' | 'load', directory: string): Promise<string> {
  const program = join(directory, name);
  const source = join(projectRoot(), 'test', 'bench', 'data-plane', `${name}.c`);
  await run('gcc', ['-O2', '-Wall', '-Werror', '-o', program, source]);
  return program;
}

/** @param prefix what they are started by, such as taskset */
export function startServers(place: Place, serve: string, prefix: readonly string[] = []): void {
  place.spawn([...prefix, serve, String(PORTS.requests)], { log: 'serve' });
  place.spawn([...prefix, 'iperf3', '--server', '--port', String(PORTS.bulk)], { log: 'iperf3' });
}

/** Waits until both services are listened for. */
export async function untilServing(place: Pick<Place, 'name' | 'run'>, address = ''): Promise<void> {
  await until(`${place.name} serves`, async () => {
    const listening = await place.run('ss', '-Hltn');
    return Object.values(PORTS).every((port) => listening.includes(`${address}:${port} `));
  });
}
