import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Ownership } from '../src/ownership.js';

let directory: string;
let reports: string[];
const report = (message: string) => reports.push(message);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-ownership-'));
  reports = [];
});
afterEach(async () => rm(directory, { recursive: true }));

test('remembers across a restart', async () => {
  const first = await Ownership.load(join(directory, 'state'), report);
  await first.replace(new Set(['tcp 10.0.0.1:80']));
  const second = await Ownership.load(join(directory, 'state'), report);
  expect(second.has('tcp 10.0.0.1:80')).toBe(true);
  expect(second.has('tcp 10.0.0.2:80')).toBe(false);
  expect(reports).toEqual([]);
});

test('owns nothing, and says so, when its file is torn', async () => {
  const first = await Ownership.load(directory, report);
  await first.replace(new Set(['tcp 10.0.0.1:80', 'tcp 10.0.0.2:80']));
  const file = join(directory, 'owned.json');
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 40));
  const second = await Ownership.load(directory, report);
  expect(second.keys.size).toBe(0);
  expect(reports).toEqual([expect.stringContaining('unreadable')]);
});

test('still knows what it owns when the directory cannot be written', async () => {
  await writeFile(join(directory, 'file'), '');
  const ownership = await Ownership.load(join(directory, 'file', 'state'), report);
  await expect(ownership.replace(new Set(['tcp 10.0.0.1:80']))).rejects.toThrow('ENOTDIR');
  expect(ownership.has('tcp 10.0.0.1:80')).toBe(true);
});

test('is written as soon as it can be', async () => {
  await writeFile(join(directory, 'state'), '');
  const ownership = await Ownership.load(join(directory, 'state'), report);
  await expect(ownership.replace(new Set(['a']))).rejects.toThrow('ENOTDIR');
  await rm(join(directory, 'state'));
  await ownership.replace(new Set(['a']));
  expect((await Ownership.load(join(directory, 'state'), report)).has('a')).toBe(true);
});

test('does not write when nothing changed', async () => {
  const ownership = await Ownership.load(directory, report);
  await ownership.replace(new Set(['a', 'b']));
  await rm(join(directory, 'owned.json'));
  await ownership.replace(new Set(['b', 'a']));
  await expect(readFile(join(directory, 'owned.json'))).rejects.toThrow('ENOENT');
});
