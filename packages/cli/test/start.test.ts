import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../../../test/lab/index.js';

const run = promisify(execFile);

/** A checkout of its own, with a bundle and a package that say which of them runs. */
let checkout: string;
const cli = () => join(checkout, 'packages', 'cli');
const bundle = () => join(cli(), 'bundles', 'clusterf-ipvs.cjs');

const BUNDLE = 'exports.main = async () => { console.log("the bundle"); return 0; };';
const FAILING_BUNDLE = 'exports.main = () => { throw new Error("broken"); };';
const MAP = { version: 3, sources: ['../../ipvs-agent/src/agent.ts'], names: [], mappings: 'AAME' };

beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), 'clusterf-start-'));
  await cp(join(projectRoot(), 'packages', 'cli', 'bin'), join(cli(), 'bin'), { recursive: true });
  for (const file of ['start.cjs', 'package.json'])
    await cp(join(projectRoot(), 'packages', 'cli', file), join(cli(), file));
  await mkdir(join(cli(), 'bundles'));
  const agent = join(checkout, 'packages', 'ipvs-agent');
  await mkdir(agent);
  await writeFile(join(agent, 'package.json'), JSON.stringify({ type: 'module', exports: './index.js' }));
  await writeFile(
    join(agent, 'index.js'),
    'export const main = async () => { console.log("the packages"); return 0; };',
  );
  await mkdir(join(checkout, 'node_modules', '@clusterf'), { recursive: true });
  await symlink(agent, join(checkout, 'node_modules', '@clusterf', 'ipvs-agent'));
});

afterAll(async () => {
  await rm(checkout, { recursive: true });
});

async function makeBundle(code = BUNDLE): Promise<void> {
  await writeFile(bundle(), code);
}

async function compileAt(time: number): Promise<void> {
  const mark = join(checkout, 'packages', 'ipvs-agent', 'tsconfig.tsbuildinfo');
  await writeFile(mark, '');
  await utimes(mark, time / 1000, time / 1000);
}

const start = async () => (await run(process.execPath, [join(cli(), 'bin', 'clusterf-ipvs.cjs')])).stdout.trim();

test('runs the packages where there is no bundle', async () => {
  await rm(bundle(), { force: true });
  expect(await start()).toBe('the packages');
});

test('runs the bundle where nothing has been compiled since it was made', async () => {
  await makeBundle();
  await compileAt(Date.now() - 10_000);
  expect(await start()).toBe('the bundle');
});

test('runs the packages when something has been compiled since the bundle was made', async () => {
  await makeBundle();
  await compileAt(Date.now() + 10_000);
  expect(await start()).toBe('the packages');
});

test('runs the bundle of an installation, where nothing is ever compiled', async () => {
  await makeBundle();
  await rm(join(checkout, 'packages', 'ipvs-agent', 'tsconfig.tsbuildinfo'), { force: true });
  expect(await start()).toBe('the bundle');
});

test('runs the bundle though compiled code beside it is not of this V8', async () => {
  await makeBundle();
  await writeFile(`${bundle()}.compiled`, 'nonsense');
  expect(await start()).toBe('the bundle');
  await rm(`${bundle()}.compiled`);
});

test('names the sources, not the bundle, in stack traces', async () => {
  // Module.wrap puts its own words before the first line, and the map counts them.
  await makeBundle(`\n${FAILING_BUNDLE}`);
  await writeFile(`${bundle()}.map`, JSON.stringify({ ...MAP, mappings: `;${MAP.mappings}` }));
  const failure: unknown = await start().catch((error: unknown) => error);
  expect(failure).toMatchObject({
    stderr: expect.stringContaining(`${join(checkout, 'packages', 'ipvs-agent', 'src', 'agent.ts')}:7:3`),
  });
});
