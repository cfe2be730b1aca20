import type { Machine, RunOptions, RunResult } from '../../../test/lab/index.js';
import { until } from '../../../test/fixtures/until.js';

/** systemd as the first process of a process namespace in a machine, with the machine's files, network and kernel. */
export interface Systemd {
  /** Runs a command beside it, as root. */
  run(words: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Runs a command that is to succeed. @returns its standard output */
  output(words: readonly string[], options?: RunOptions): Promise<string>;
  /** Properties of a unit, as `systemctl show` has them. */
  show<P extends string>(unit: string, ...properties: readonly P[]): Promise<Readonly<Record<P, string>>>;
  /** What the unit's processes, or one of them, have logged. */
  journal(unit: string, pid?: string): Promise<string>;
}

const BOOT_DEADLINE = 60_000;

/** What systemd expects of who starts it in a container: https://systemd.io/CONTAINER_INTERFACE */
const BOOT = `
mount --make-rshared /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec env -i container=lab PATH="$PATH" /lib/systemd/systemd --unit=basic.target --show-status=0`;

/** The machine's own, without the checkout's commands. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Boots it as far as units can be started. It ends with the machine. */
export async function bootSystemd(machine: Machine): Promise<Systemd> {
  const namespaces = '--mount --pid --ipc --cgroup --fork --kill-child';
  const pid = await machine.output(
    `unshare ${namespaces} /bin/sh -c '${BOOT}' >/tmp/systemd.log 2>&1 &
     until pgrep --parent $!; do sleep 0.02; done`,
    { env: { PATH } },
  );
  const beside = (words: readonly string[]) => [
    'nsenter',
    `--target=${pid.trim()}`,
    '--mount',
    '--pid',
    '--ipc',
    ...words,
  ];
  const systemd: Systemd = {
    run: async (words, options) => await machine.run(beside(words), { ...options, env: { PATH, ...options?.env } }),
    output: async (words, options) =>
      await machine.output(beside(words), { ...options, env: { PATH, ...options?.env } }),
    show: async (unit, ...properties) => {
      const text = await systemd.output(['systemctl', 'show', `--property=${properties.join(',')}`, unit]);
      const found = new Map(text.split('\n').map((line) => [line.replace(/=.*/, ''), line.replace(/^[^=]*=/, '')]));
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of these very properties
      return Object.fromEntries(properties.map((name) => [name, found.get(name) ?? ''])) as Record<
        (typeof properties)[number],
        string
      >;
    },
    journal: async (unit, of) =>
      await systemd.output([
        'journalctl',
        '--output=cat',
        `--unit=${unit}`,
        ...(of === undefined ? [] : [`_PID=${of}`]),
      ]),
  };
  const booted = async () => {
    const { stdout } = await systemd.run(['systemctl', 'is-system-running']);
    return ['running', 'degraded'].includes(stdout.trim());
  };
  await until('systemd has booted', booted, BOOT_DEADLINE, 200).catch(async (cause: unknown) => {
    throw new Error(await machine.output(['cat', '/tmp/systemd.log']), { cause });
  });
  return systemd;
}
