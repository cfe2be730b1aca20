import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { OwnedState, Ownership } from '../src/ownership.js';
import { StateFile } from '../src/state-file.js';

let directory: string;
let reports: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-ownership-'));
  reports = [];
});
afterEach(async () => rm(directory, { recursive: true }));

const report = (message: string) => reports.push(message);

async function load(at: string): Promise<Ownership> {
  const empty: OwnedState = { version: 1, virtualServices: [] };
  return new Ownership(await StateFile.load({ directory: at, name: 'owned', schema: OwnedState, empty, report }));
}

/** One that owns these, written. */
async function saved(at: string, ...keys: string[]): Promise<Ownership> {
  const ownership = await load(at);
  for (const key of keys) ownership.add(key);
  await ownership.save();
  return ownership;
}

test('remembers across a restart', async () => {
  await saved(join(directory, 'state', 'net'), 'tcp 10.0.0.1:80');
  const second = await load(join(directory, 'state', 'net'));
  expect(second.has('tcp 10.0.0.1:80')).toBe(true);
  expect(second.has('tcp 10.0.0.2:80')).toBe(false);
  expect(reports).toEqual([]);
});

test('owns nothing, and says so, when its file is torn', async () => {
  await saved(directory, 'tcp 10.0.0.1:80', 'tcp 10.0.0.2:80');
  const file = join(directory, 'owned.json');
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 40));
  expect((await load(directory)).size).toBe(0);
  expect(reports).toEqual([expect.stringContaining('unreadable')]);
});

test('still knows what it owns when the directory cannot be written', async () => {
  await writeFile(join(directory, 'file'), '');
  const ownership = await load(join(directory, 'file', 'state'));
  ownership.add('tcp 10.0.0.1:80');
  await ownership.save();
  expect(ownership.has('tcp 10.0.0.1:80')).toBe(true);
});

test('is written as soon as it can be', async () => {
  await writeFile(join(directory, 'state'), '');
  const ownership = await load(join(directory, 'state'));
  ownership.add('a');
  await ownership.save();
  await rm(join(directory, 'state'));
  await ownership.save();
  expect((await load(join(directory, 'state'))).has('a')).toBe(true);
});

test('does not write when nothing changed', async () => {
  const ownership = await saved(directory, 'a', 'b');
  await rm(join(directory, 'owned.json'));
  ownership.add('b');
  ownership.delete('c');
  await ownership.save();
  await expect(readFile(join(directory, 'owned.json'))).rejects.toThrow('ENOENT');
});

test('forgets what neither the kernel has nor the tree names', async () => {
  const ownership = await saved(directory, 'a', 'b', 'c');
  ownership.retain(new Set(['a']), new Set(['b']));
  await ownership.save();
  const second = await load(directory);
  expect(['a', 'b', 'c'].filter((key) => second.has(key))).toEqual(['a', 'b']);
});
