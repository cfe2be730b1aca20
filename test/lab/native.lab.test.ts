import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Machine, projectRoot, startMachine } from './index.js';

/** The host of a native machine needs IPVS and root: a user-mode machine has both, whatever this host has. */
let host: Machine;
beforeAll(async () => {
  host = await startMachine({ name: 'host', memory: '512M', kind: 'uml' });
});
afterAll(async () => host.stop());

async function inHost(program: string): Promise<unknown> {
  const path = join(tmpdir(), `clusterf-native-${process.pid}.mjs`);
  writeFileSync(
    path,
    `import { availableKind, startMachine } from '${projectRoot()}/test/dist/lab/index.js';\n${program}`,
  );
  await host.copyIn(path, '/root/program.mjs');
  return JSON.parse(await host.output(['node', '/root/program.mjs']));
}

test('a host whose kernel has IPVS gives namespaces of it, with a table, a root and processes of their own', async () => {
  await host.output('ipvsadm -A -t 192.0.2.1:1 -s rr');
  const seen = await inHost(`
    const machine = await startMachine({ name: 'inner' });
    const { status, stdout } = await machine.run(
      'cat; hostname; pwd; ipvsadm -A -t 192.0.2.2:2 -s rr; ipvsadm -Sn; ip -br -4 address; echo $PPID; ' +
      'touch /etc/written; ip netns add other && ip netns exec other ipvsadm -Sn; exit 3',
      { input: 'in ' });
    console.log(JSON.stringify({ kind: availableKind(), status, stdout: stdout.replaceAll(/ +/g, ' ') }));
    await machine.stop();`);
  expect(seen).toEqual({
    kind: 'native',
    status: 3,
    stdout: expect.stringMatching(
      new RegExp(`^in inner\n${projectRoot()}\n-A -t 192.0.2.2:2 -s rr\nlo UNKNOWN 127.0.0.1/8 \n\\d+\n$`),
    ),
  });
  expect(await host.output('ipvsadm -Sn; ls /etc/written 2>&1; ip netns; true')).toBe(
    "-A -t 192.0.2.1:1 -s rr\nls: cannot access '/etc/written': No such file or directory\n",
  );
});

test('a native machine ends with all its processes, mounts and control groups, even with a killed starter', async () => {
  await inHost(`
    const machine = await startMachine({ name: 'inner' });
    await machine.run('mkdir /sys/fs/cgroup/below; (echo 0 >/sys/fs/cgroup/below/cgroup.procs; setsid sleep 1234 &) ; echo started');
    console.log('{}');
    process.kill(process.pid, 'SIGKILL');`).catch(() => undefined);
  const left =
    'until ! pgrep -x sleep && ! ls -d /dev/shm/clusterf-lab-* /sys/fs/cgroup/clusterf-lab-*; do sleep 0.1; done';
  await host.output(left, { timeout: 15_000 });
  expect(await host.output('grep -c clusterf-lab-.*inner /proc/mounts || true')).toBe('0\n');
});
