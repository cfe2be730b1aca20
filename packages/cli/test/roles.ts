import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { EtcdProcess } from '../../../test/fixtures/etcd.js';
import { projectRoot } from '../../../test/lab/index.js';

const run = promisify(execFile);

/** Runs the `clusterf` command. @returns what it prints */
export async function clusterf(...args: readonly string[]): Promise<string> {
  return (await run(join(projectRoot(), 'packages', 'cli', 'bin', 'clusterf.cjs'), args)).stdout;
}

/**
 * Does what an operator does with `clusterf etcd-roles`: reads it and runs it, in the directory where passwords go.
 *
 * @param user who runs it, once etcd asks for users
 * @returns all that etcdctl said
 */
export async function applyRoles(
  etcd: EtcdProcess,
  directory: string,
  args: readonly string[],
  user?: { readonly name: string; readonly password: string },
): Promise<string> {
  const script = await clusterf('etcd-roles', ...args);
  const { PATH } = process.env;
  const env = {
    PATH,
    ETCDCTL_ENDPOINTS: etcd.host,
    ...(user === undefined ? {} : { ETCDCTL_USER: `${user.name}:${user.password}` }),
  };
  const { stdout, stderr } = await run('sh', ['-ec', script], { cwd: directory, env });
  return stdout + stderr;
}
