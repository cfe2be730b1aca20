import { afterEach, expect, test } from '@jest/globals';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { until } from '../../../test/fixtures/until.js';
import { isDead, processIdentity } from '../src/process-identity.js';

let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGKILL');
});

/** A process that waits, and its identity. */
async function waiting(): Promise<string> {
  child = spawn('sh', ['-c', 'read forever'], { stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  return processIdentity(child.pid ?? 0) ?? '';
}

test('a process that lives is not dead, and no other has its identity', async () => {
  const identity = await waiting();
  expect(identity).toMatch(/^[0-9a-f-]{36} pid:\[\d+\] \d+ \d+$/);
  expect(isDead(identity)).toBe(false);
  expect(identity).not.toBe(processIdentity(process.pid));
});

test('one that was killed is dead', async () => {
  const identity = await waiting();
  child?.kill('SIGKILL');
  await once(child ?? process, 'exit');
  expect(isDead(identity)).toBe(true);
});

test('one that was killed, and that nobody has buried yet, is dead', async () => {
  // The shell becomes a program that waits for no child.
  child = spawn('sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const [line] = child.stdout === null ? [] : await once(child.stdout, 'data');
  const pid = Number(line);
  const name = `/proc/${child.pid}/comm`;
  await until('the shell has become it', () => readFileSync(name, 'latin1') === 'sleep\n');
  const identity = processIdentity(pid) ?? '';
  expect(isDead(identity)).toBe(false);
  process.kill(pid, 'SIGKILL');
  await until('it is dead', () => isDead(identity));
  expect(execFileSync('ps', ['-o', 'stat=', '-p', String(pid)]).toString()).toContain('Z');
});

test('one whose number another process has by now is dead', async () => {
  const identity = await waiting();
  expect(isDead(identity.replace(/\d+$/, '1'))).toBe(true);
});

test.each([
  ['of another run of the kernel, or another machine', /^[0-9a-f]{8}/, '00000000'],
  ['of another container', /pid:\[\d+\]/, 'pid:[1]'],
])('of one %s nothing is known', async (_title, part, other) => {
  const identity = (await waiting()).replace(part, other);
  child?.kill('SIGKILL');
  await once(child ?? process, 'exit');
  expect(isDead(identity)).toBe(false);
});

test.each(['', 'nonsense', 'a b 1', '1 2 3 4 5'])('%j is nobody', (text) => {
  expect(isDead(text)).toBe(false);
});

test('of a process that is not there, there is none', () => {
  expect(processIdentity(2 ** 22 + 1)).toBeUndefined();
});
