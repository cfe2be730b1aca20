import { existsSync } from 'node:fs';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../fixtures/until.js';
import { errorCode } from '../../lab/errorCode.js';

const ROOT = '/sys/fs/cgroup';
/** Microseconds. Short, so that those who wait for a capped one wait as for a slow one, not as for one that stands still. */
const PERIOD = 10_000;

export interface Cap {
  /** Lets the processes have what they need again, as they do to end in time. */
  readonly lift: () => Promise<void>;
  /** Takes the group away; waits for its processes to have ended. */
  readonly remove: () => Promise<void>;
}

/**
 * Gives processes, and what they start, so much of one processor at most, by a control group on the host.
 *
 * @param share 0.1 or more, since the kernel takes nothing below a millisecond
 */
export async function cap(name: string, pids: readonly number[], share: number): Promise<Cap> {
  const quota = Math.round(PERIOD * share);
  const unified = existsSync(join(ROOT, 'cgroup.controllers'));
  const group = unified ? join(ROOT, name) : join(ROOT, 'cpu', name);
  await mkdir(group);
  if (unified) {
    await writeFile(join(ROOT, 'cgroup.subtree_control'), '+cpu');
    await writeFile(join(group, 'cpu.max'), `${quota} ${PERIOD}`);
  } else {
    await writeFile(join(group, 'cpu.cfs_period_us'), String(PERIOD));
    await writeFile(join(group, 'cpu.cfs_quota_us'), String(quota));
  }
  // Programs in the machine come and go meanwhile: one that has ended needs no cap.
  for (const pid of pids) await writeFile(join(group, 'cgroup.procs'), String(pid)).catch(unlessEnded);
  return {
    async lift() {
      await writeFile(join(group, unified ? 'cpu.max' : 'cpu.cfs_quota_us'), unified ? 'max' : '-1');
    },
    async remove() {
      await until(`${group} is empty`, async () => {
        await rmdir(group);
        return true;
      });
    },
  };
}

function unlessEnded(error: unknown): void {
  if (errorCode(error) !== 'ESRCH') throw error;
}
