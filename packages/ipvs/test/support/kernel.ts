import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { requireMachine } from '../../../../test/lab/requireMachine.js';
import { IpvsClient, type VirtualService } from '../../src/index.js';

const execute = promisify(execFile);

/** A client on a kernel that nobody else uses, its table empty and no daemon running. */
export async function emptyKernel(): Promise<IpvsClient> {
  requireMachine();
  const client = await IpvsClient.open();
  await client.flush();
  for (const { role } of await client.daemons()) await client.delDaemon(role);
  return client;
}

export async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(program, args);
  return stdout;
}

/** One line as for a shell, but without quoting. */
export async function ipvsadm(line: string): Promise<string> {
  return run('ipvsadm', ...line.split(' '));
}

/** The table as ipvsadm would restore it, a line each. */
export async function saved(): Promise<string[]> {
  return (await ipvsadm('-Sn')).trim().split('\n').filter(Boolean);
}

/** All virtual services and their destinations without counters, in the order of their keys. */
export async function settings(client: IpvsClient) {
  const table = await client.table();
  return table
    .map(({ service: { stats: _counters, ...service }, destinations }) => ({
      service,
      destinations: destinations
        .map(
          ({ stats: _stats, activeConnections: _a, inactiveConnections: _i, persistentConnections: _p, ...rest }) =>
            rest,
        )
        .toSorted(byJson),
    }))
    .toSorted((a, b) => byJson(a.service.id, b.service.id));
}

export function byJson(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** Asks until the answer satisfies, for at most ten seconds. */
export async function until<T>(ask: () => Promise<T>, satisfied: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const answer = await ask();
    if (satisfied(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`still ${String(answer)} after ten seconds`);
    await pause(50);
  }
}

export const plain: Omit<VirtualService, 'id'> = { scheduler: 'wrr', schedulerFlags: 0, onePacket: false };
