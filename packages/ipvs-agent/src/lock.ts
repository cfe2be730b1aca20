import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { errorCode, FailureError, type Logger, toError } from '@clusterf/daemon';

/**
 * The name of a socket that only one process of a network namespace can have: where its IPVS table is too. It is in
 * no file system, and the kernel takes it back however the process ends. As long as such a name can be: a shorter one
 * some versions of libuv fill up with zeros and others do not (libuv#4266), so that Node 20 and 22 would not meet.
 */
const NAME = '\0clusterf-ipvs'.padEnd(108, '\0');

/** Its bit among the capabilities that proc(5) lists: linux/capability.h. */
const CAP_NET_ADMIN = 1n << 12n;

/** As /proc/net/unix writes it. */
const WRITTEN = NAME.replaceAll('\0', '@');

/**
 * Makes this process the only agent of its network namespace, for as long as it lives.
 *
 * @throws FailureError if there is one already, with its process id where that can be seen
 */
export async function lockNamespace(log: Logger): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(NAME, resolve);
    });
  } catch (thrown) {
    const error = toError(thrown);
    if (errorCode(error) !== 'EADDRINUSE') throw error;
    const holder = await lockHolder();
    // Anybody may take such a name; only who may be an agent may keep one from running.
    if (typeof holder === 'object' && !(await mayBeAgent(holder.pid))) {
      log.warn('somebody who is no agent holds the lock that keeps two of them apart: going on without', { ...holder });
      return;
    }
    const who = typeof holder === 'object' ? `process ${holder.pid}` : 'whose process cannot be seen from here';
    throw new FailureError(
      `another clusterf-ipvs or clusterf up, ${who}, keeps this machine's IPVS table; end it first`,
    );
  }
  server.unref(); // It keeps nobody waiting, and is closed by the process's end.
}

/**
 * Who keeps this network namespace's table; `unseen` if that is a process which cannot be seen from here, undefined if
 * nobody does. Looked up rather than asked: a process that is stopped does not answer.
 */
export async function lockHolder(): Promise<{ readonly pid: number; readonly uid: number } | 'unseen' | undefined> {
  const table = await readFile('/proc/net/unix', 'utf8');
  const inode = table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((columns) => columns[7] === WRITTEN)?.[6];
  if (inode === undefined) return undefined;
  for (const pid of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(pid)) continue;
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => undefined);
      if (target === `socket:[${inode}]`) return { pid: Number(pid), uid: (await stat(`/proc/${pid}`)).uid };
    }
  }
  return 'unseen';
}

/**
 * Whether a process has what it takes to change the table: CAP_NET_ADMIN, as root or as the user of a unit, in the user
 * namespace that this process is in too. In one of their own everybody has it, and it is worth nothing here.
 */
async function mayBeAgent(pid: number): Promise<boolean> {
  try {
    const [theirs, ours] = await Promise.all([pid, 'self'].map((who) => readlink(`/proc/${who}/ns/user`)));
    const [, capabilities = '0'] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
    return theirs === ours && (BigInt(`0x${capabilities}`) & CAP_NET_ADMIN) !== 0n;
  } catch (thrown) {
    // Either it has ended, or it hides from us.
    return !['ENOENT', 'ESRCH'].includes(errorCode(toError(thrown)) ?? '');
  }
}

/** The network namespace this process is in, as a word for a path: state about one kernel table is not another's. */
export async function namespaceName(): Promise<string> {
  const link = await readlink('/proc/self/ns/net'); // net:[4026531840]
  return link.replaceAll(/[^a-z0-9]+/g, '-').replace(/-$/, '');
}
