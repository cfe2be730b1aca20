import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { until } from '../../../test/fixtures/until.js';
import { RecordedLog } from '../../daemon/test/recorded-log.js';
import { StateDirectory } from '../src/state-directory.js';
import { started, TREE, WEB_KEY } from './running-agent.js';

let base: string;
let directory: string;
let log: RecordedLog;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'clusterf-state-'));
  directory = join(base, 'run', 'net');
  log = new RecordedLog();
});
afterEach(async () => rm(base, { recursive: true }));

const FILE = { name: 'words', schema: z.array(z.string()), empty: [] };
const text = async () => await readFile(join(directory, 'words.json'), 'utf8').catch(() => undefined);

describe('state', () => {
  test('that somebody wiped is written again, and told of', async () => {
    const state = new StateDirectory(directory, log);
    await (await state.load(FILE)).write(['a']);
    await state.verify();
    expect(log.lines).toEqual([]);
    await rm(base, { recursive: true });
    await mkdir(base);
    await state.verify();
    expect(await text()).toBe('["a"]\n');
    expect(log.text).toContain('state was removed or changed by somebody: written again');
  });

  test('of an earlier run that somebody wiped or changed is written again, though this run has written nothing', async () => {
    await (await new StateDirectory(directory, log).load(FILE)).write(['a']);
    const state = new StateDirectory(directory, log);
    await state.load(FILE);
    await rm(directory, { recursive: true });
    await state.verify();
    expect(await text()).toBe('["a"]\n');
    await writeFile(join(directory, 'words.json'), '[]');
    await state.verify();
    expect(await text()).toBe('["a"]\n');
  });

  test('that never was anything is not written', async () => {
    const state = new StateDirectory(directory, log);
    await state.load(FILE);
    await state.verify();
    expect([await text(), log.lines]).toEqual([undefined, []]);
  });

  test('for which there is no room is a problem, and counts, until there is', async () => {
    const state = new StateDirectory(directory, log);
    const file = await state.load(FILE);
    await mkdir(directory, { recursive: true });
    await symlink('/dev/full', join(directory, 'words.json.new'));
    await file.write(['a']);
    expect(file.value).toEqual(['a']);
    expect(state.problems).toEqual([
      {
        source: 'state',
        key: 'words.json',
        message: 'not written, so a restarted agent may not recognise its own: ENOSPC: no space left on device, write',
      },
    ]);
    await rm(join(directory, 'words.json.new'));
    await state.verify();
    expect(state.problems).toEqual([]);
    expect(await text()).toBe('["a"]\n');
    expect(log.lines).toEqual([]);
  });

  test.each([
    ['its directory and the parent can be made', 'run/net', 'nothing'],
    ['it is where a file is', 'file/net', 'ENOTDIR'],
    ['not even the parent’s parent is there', 'no/such/net', 'there is no '],
  ])('could be written or not: %s', async (_, path, expected) => {
    await writeFile(join(base, 'file'), '');
    const obstacle = await new StateDirectory(join(base, path), log).obstacle();
    expect(obstacle ?? 'nothing').toContain(expected);
  });
});

describe('a quiet agent', () => {
  test('whose state was wiped writes it again at the next resync', async () => {
    const { agent } = await started(TREE, { stateDirectory: directory });
    await rm(directory, { recursive: true });
    await agent.clock.advance(30_000);
    const written = async () => await readFile(join(directory, 'owned.json'), 'utf8').catch(() => false);
    expect(await until('the state', written)).toContain(WEB_KEY);
  });

  test('whose state cannot be written has that among its problems until it can', async () => {
    await writeFile(join(base, 'run'), '');
    const { agent } = await started(TREE, { stateDirectory: directory });
    const problems = () => agent.agent.status().problems;
    await until('the problem', () => problems().some(({ source, key }) => source === 'state' && key === 'owned.json'));
    await rm(join(base, 'run'));
    await agent.clock.advance(30_000);
    await until('it to be solved', () => problems().length === 0);
    expect(agent.log.said('problem solved: owned.json')).toBe(1);
  });
});
