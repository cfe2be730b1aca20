import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createLogger } from '@clusterf/daemon';
import { StateDirectory } from '@clusterf/ipvs-agent';
import { until } from '../../../../test/fixtures/until.js';
import { FormerRegistrations } from '../../src/up/former-registrations.js';

let directory: string;
let log: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-former-'));
  log = '';
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function load(): Promise<FormerRegistrations> {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log += chunk.toString();
      done();
    },
  });
  return await FormerRegistrations.load(
    new StateDirectory(directory, createLogger({ level: 'warn', format: 'text', stream })),
  );
}

test('a first run has none', async () => {
  expect((await load()).entries).toEqual(new Map());
  expect(log).toBe('');
});

test('the next run has the newest of what was saved, however fast one follows another', async () => {
  {
    await using former = await load();
    for (let i = 0; i < 100; i++) former.save(new Map([['services/web/backends/a', String(i)]]));
    former.save(new Map([['services/web/backends/b', 'last']]));
  }
  expect((await load()).entries).toEqual(new Map([['services/web/backends/b', 'last']]));
});

test('what is saved is written without the end of the run', async () => {
  const former = await load();
  former.save(new Map([['a', '1']]));
  await former[Symbol.asyncDispose]();
  former.save(new Map([['a', '2']]));
  await former[Symbol.asyncDispose]();
  expect(JSON.parse(await readFile(join(directory, 'registrations.json'), 'utf8'))).toEqual({ a: '2' });
});

test('a file that makes no sense counts as none, and is told of', async () => {
  await writeFile(join(directory, 'registrations.json'), '{"a":1}');
  expect((await load()).entries).toEqual(new Map());
  await until('it is logged', () => log !== '');
  expect(log).toContain('registrations.json: unreadable');
});
