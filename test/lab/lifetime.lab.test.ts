import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { projectRoot, startMachine } from './index.js';
import { kill, processesNaming } from './processes.js';

/** A process that starts a machine and prints its directory; as another user, where one is given. */
function startHolder(user?: number): ChildProcess {
  const program = `
    import { startMachine } from '${projectRoot()}/test/dist/lab/index.js';
    const machine = await startMachine({ name: 'held', memory: '128M' });
    const sees = await machine.output('id -un; ipvsadm -A -t 192.0.2.1:80 -s rr && ipvsadm -Sn');
    console.log(JSON.stringify(sees));
    await machine.run('echo spinning; while :; do :; done', { timeout: 60000, onOutput: (text) => process.stdout.write(text) });`;
  return spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] ?? '' },
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
}

async function lines(holder: ChildProcess, count: number): Promise<string[]> {
  const read: string[] = [];
  if (holder.stdout === null) return read;
  for await (const line of createInterface({ input: holder.stdout })) if (read.push(line) === count) break;
  return read;
}

/** Directories in memory and processes of machines that the process with this number started. */
function leftovers(pid: number | undefined): (string | number)[] {
  const directories = readdirSync('/dev/shm').filter((name) => new RegExp(`^clusterf-lab-.*-${pid}\\.`).test(name));
  return [...directories, ...directories.flatMap((name) => processesNaming(`/dev/shm/${name}`))];
}

async function gone(pid: number | undefined): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (leftovers(pid).length > 0) {
    if (performance.now() > deadline) throw new Error(`after 15 s there still are: ${leftovers(pid).join(' ')}`);
    await delay(50);
  }
}

function isKeeper(pid: number): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('keeper.sh');
}

const holders: ChildProcess[] = [];
function hold(user?: number): ChildProcess {
  const holder = startHolder(user);
  holders.push(holder);
  return holder;
}
afterEach(async () => {
  for (const holder of holders.splice(0)) {
    holder.kill('SIGKILL');
    await gone(holder.pid);
  }
});

test('a machine whose starter is killed ends with everything it was made of', async () => {
  const holder = hold();
  expect(await lines(holder, 2)).toHaveLength(2);
  const before = leftovers(holder.pid);
  expect(before.length).toBeGreaterThan(2);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  await gone(holder.pid);
});

test('what is left where the keeper was killed too is removed when the next machine starts', async () => {
  const holder = hold();
  expect(await lines(holder, 2)).toHaveLength(2);
  const processes = leftovers(holder.pid).filter((left) => typeof left === 'number');
  // Stopped, nothing of it can end by itself.
  for (const pid of processes) process.kill(pid, 'SIGSTOP');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  kill(Math.min(...processes));
  expect(leftovers(holder.pid).length).toBeGreaterThan(0);
  await using next = await startMachine({ name: 'next', memory: '128M' });
  expect(next.name).toBe('next');
  await gone(holder.pid);
});

test('a user without rights gets a machine and is root in it', async () => {
  const nobody = process.getuid?.() === 0 ? 65_534 : undefined;
  const holder = hold(nobody);
  expect(await lines(holder, 1)).toEqual([JSON.stringify('root\n-A -t 192.0.2.1:80 -s rr\n')]);
});

test('a stopped machine leaves nothing', async () => {
  const machine = await startMachine({ name: 'short', memory: '128M' });
  expect(leftovers(process.pid).length).toBeGreaterThan(2);
  await machine.stop();
  await machine.stop();
  expect(leftovers(process.pid)).toEqual([]);
  expect(existsSync('/run/lab')).toBe(false);
});

test('a machine that hangs is ended all the same, and leaves nothing', async () => {
  const machine = await startMachine({ name: 'hanging', memory: '128M' });
  const made = leftovers(process.pid).filter((left) => typeof left === 'number');
  for (const pid of made) if (!isKeeper(pid)) process.kill(pid, 'SIGSTOP');
  await machine.stop();
  expect(leftovers(process.pid)).toEqual([]);
});
