import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Dockerd, startDockerd } from '../fixtures/dockerd.js';
import { projectRoot } from '../lab/index.js';
import { importBase } from './base.js';
import { BASE, buildImage } from './build.js';
import { composeOn } from './compose.js';
import { exportContext, linkModules } from './context.js';

const run = promisify(execFile);

const IMAGE = 'clusterf';
/** No user of the machine's: as the Dockerfile says. */
const USER = 65532;
/** As docs/images.md has them. */
const HARDENED = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];

let dockerd: Dockerd;

beforeAll(async () => {
  dockerd = await startDockerd();
  await buildImage(dockerd, IMAGE);
}, 600_000);
afterAll(async () => {
  await dockerd[Symbol.asyncDispose]();
});

/** Every file in the image as `tar -tv` lists it. */
async function filesOf(image: string): Promise<string[]> {
  const container = await dockerd.docker('create', image);
  const { stdout } = await run('sh', ['-c', 'docker --host "$0" export "$1" | tar -tv', dockerd.endpoint, container]);
  await dockerd.docker('rm', container);
  return stdout.trim().split('\n').map(lasting);
}

/** Without the time, and the size of what V8 makes a little different every time. */
function lasting(line: string): string {
  return line.replace(/ \d{4}-\d\d-\d\d \d\d:\d\d/, '').replace(/\d+(?= \S*\.compiled$)/, '');
}

/** By the names that they are started by. */
async function commands(): Promise<string[]> {
  return (await readdir(join(projectRoot(), 'packages', 'cli', 'bin'))).map((name) => name.replace('.cjs', ''));
}

describe('the image', () => {
  test('is built alike by BuildKit', async () => {
    await buildImage(dockerd, 'clusterf-buildkit', 'BuildKit');
    expect(await filesOf('clusterf-buildkit')).toEqual(await filesOf(IMAGE));
  });

  test('is built alike by docker-compose', async () => {
    await importBase(dockerd, BASE);
    await composeOn(dockerd, { CLUSTERF_IMAGE: 'clusterf-compose', BASE, PREBUILT: '1' })('build');
    expect(await filesOf('clusterf-compose')).toEqual(await filesOf(IMAGE));
  });

  test('has in its context all that its sources are built of', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clusterf-context-'));
    await exportContext(dockerd, directory);
    await rm(join(directory, 'packages', 'cli', 'bundles'), { recursive: true });
    await linkModules(directory);
    // npm would ask the network.
    await run('sh', ['-ec', 'grep -v "npm ci" packages/cli/image/bundles.sh | sh'], { cwd: directory });
    const made = await readdir(join(directory, 'packages', 'cli', 'bundles'));
    const wanted = (await commands()).map((command) => `${command}.cjs.compiled`);
    expect(made.filter((name) => name.endsWith('.compiled')).toSorted()).toEqual(wanted.toSorted());
    await rm(directory, { recursive: true });
  }, 300_000);

  test('has Node, a shell, the commands and what they load, and nothing else', async () => {
    const files = await filesOf(IMAGE);
    const paths = files.map((line) => / \d+ (.*)$/.exec(line)?.[1] ?? '');
    const programs = paths.filter((path) => /^(usr\/)?s?bin\/./.test(path));
    const links = (await commands()).map((name) => `usr/bin/${name} -> ../lib/clusterf/command`);
    expect(programs.toSorted()).toEqual(['bin/sh', 'usr/bin/env', 'usr/bin/node', ...links].toSorted());
    const modules = paths.filter((path) => path.includes('node_modules/') && !path.endsWith('/'));
    expect(modules).toEqual([
      'usr/lib/clusterf/node_modules/netlink/package.json',
      `usr/lib/clusterf/node_modules/netlink/prebuilds/linux-${process.arch}/node.napi.node`,
    ]);
    expect(paths.filter((path) => /\.tsx?$|npm|\/src\//.test(path))).toEqual([]);
    const setuid = files.filter((line) => /^.{3}[sS]|^.{6}[sS]/.test(line));
    expect(setuid).toEqual([]);
  });

  test.each(['clusterf', 'clusterf-config', 'clusterf-docker', 'clusterf-ipvs'])(
    'runs %s by its name',
    async (command) => {
      const flags = ['--rm', '--network', 'none', ...HARDENED];
      expect(await dockerd.docker('run', ...flags, IMAGE, command, '--version')).toMatch(new RegExp(`^${command} \\d`));
    },
  );

  test('says what there is when it is given no command', async () => {
    expect(await dockerd.docker('run', '--rm', IMAGE)).toContain('clusterf COMMAND');
  });

  test('has its commands’ compiled code from its own Node, which takes it', async () => {
    const take = `
      const { readFileSync, readdirSync } = require('node:fs');
      const bundles = '/usr/lib/clusterf/bundles/';
      for (const name of readdirSync(bundles).filter((file) => file.endsWith('.cjs'))) {
        const source = require('node:module').Module.wrap(readFileSync(bundles + name, 'latin1'));
        const script = new (require('node:vm').Script)(source, { cachedData: readFileSync(bundles + name + '.compiled') });
        console.log(name, script.cachedDataRejected ? 'rejected' : 'taken');
      }`;
    const [firstLine = ''] = (
      await readFile(join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf-ipvs.cjs'), 'utf8')
    ).split('\n');
    const flags = firstLine.split(' ').filter((word) => word.startsWith('--'));
    const taken = await dockerd.docker('run', '--rm', IMAGE, 'node', ...flags, '-e', take);
    expect(taken.split('\n').filter((line) => !line.endsWith(' taken'))).toEqual([]);
    expect(taken).toContain('clusterf-ipvs.cjs taken');
  });

  test('is labelled with the version of its commands, and run by no root', async () => {
    const { version } = JSON.parse(await readFile(join(projectRoot(), 'packages', 'cli', 'package.json'), 'utf8'));
    const [config] = JSON.parse(await dockerd.docker('image', 'inspect', IMAGE));
    expect(config.Config.Labels).toMatchObject({
      'org.opencontainers.image.title': 'clusterf',
      'org.opencontainers.image.licenses': 'MIT',
      'org.opencontainers.image.version': version,
    });
    expect(config.Config.User).toBe(`${USER}:${USER}`);
  });

  test('is little more than Node', async () => {
    const size = Number(await dockerd.docker('image', 'inspect', '--format', '{{.Size}}', IMAGE));
    const node = (await stat(process.execPath)).size;
    expect((size - node) / 1e6).toBeLessThan(40);
  });
});
