/** What `clusterf up` says before it has touched anything, as a process. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../../../test/lab/index.js';

const run = promisify(execFile);
const BIN = join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf.cjs');

async function up(...args: readonly string[]) {
  return await run(process.execPath, [BIN, 'up', ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
  );
}

test.each([
  [['--exit-flush'], 2, '--exit-flush is for a cluster (--etcd)'],
  [
    ['--host-address', '192.0.2.1', '--host-address', '192.0.2.2', '--noop'],
    2,
    'expected one IPv4 and one IPv6 address',
  ],
  [['--etcd', 'h1 h2'], 3, 'the etcd host is \\"h1 h2\\"'],
  [['--config-source', 'memory:', '--noop'], 3, 'exists only inside one process'],
  [['--resync', '0'], 2, '--resync: "0" (on the command line) is not longer than nothing'],
])('%j ends it with status %i', async (args, code, message) => {
  const ended = await up(...args);
  expect(ended).toMatchObject({ code, stdout: '' });
  expect(ended.stderr).toContain(message);
});
