import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { errorCode, toError } from '@clusterf/daemon';
import { VERSION } from '../../version.js';
import type { Machine } from '../facts.js';

export async function gatherMachine(stateDirectory: string | undefined): Promise<Machine> {
  return {
    name: hostname(),
    version: VERSION,
    capabilities: await capabilities(),
    stateDirectory:
      stateDirectory === undefined ? undefined : { path: stateDirectory, obstacle: await obstacleTo(stateDirectory) },
  };
}

async function capabilities(): Promise<bigint | undefined> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const [, effective] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  return effective === undefined ? undefined : BigInt(`0x${effective}`);
}

/** Why files cannot be made in a directory, or the directory itself where there is none yet. */
async function obstacleTo(path: string): Promise<string | undefined> {
  try {
    if (!(await stat(path)).isDirectory()) return 'it is no directory';
    await access(path, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (thrown) {
    const error = toError(thrown);
    if (errorCode(error) !== 'ENOENT') return error.message;
    const parent = dirname(path);
    return parent === path ? error.message : await obstacleTo(parent);
  }
}
