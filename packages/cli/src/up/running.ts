/** A `clusterf up` that runs on this machine, found by where it listens or by the lock of the kernel's table. */
import { readFile } from 'node:fs/promises';
import { CommandError, type Environment, formatHttpListen, parseHttpListen, parseOptions } from '@clusterf/daemon';
import { lockHolder } from '@clusterf/ipvs-agent';
import * as z from 'zod';
import { command, treePlace, type TreePlace, type UpOptions } from './command.js';

/** Where it listens unless it was told otherwise. */
const USUAL = command.options['http-listen'].default;

/** Milliseconds: it is on this machine, and answers from memory. */
const TIMEOUT = 3000;

export interface RunningUp {
  readonly pid: number;
  /** What it was told. */
  readonly options: UpOptions;
  readonly place: TreePlace;
  /** The entries of its tree in memory; undefined where the tree is in etcd, or it does not say. */
  readonly memory: ReadonlyMap<string, string> | undefined;
}

const Status = z.object({
  pid: z.number(),
  options: z.array(z.string()).optional(),
  docker: z.object({}),
  ipvs: z.object({}),
  tree: z.record(z.string(), z.string()).optional(),
});
type Status = z.infer<typeof Status>;

/** @returns undefined where none runs, or it cannot be found out what it was told */
export async function findRunningUp(): Promise<RunningUp | undefined> {
  const usual = await askUp(USUAL);
  if (usual !== undefined) return await describeUp(usual.pid, usual);
  const holder = await lockHolder();
  if (typeof holder !== 'object') return undefined;
  const found = await describeUp(holder.pid, undefined);
  if (found === undefined || found.options.httpListen === USUAL) return found;
  return { ...found, memory: entriesOf(await askUp(found.options.httpListen)) };
}

/** What the tree in a running process's memory holds now; undefined if it does not say. */
export async function memoryOf({ options }: RunningUp): Promise<ReadonlyMap<string, string> | undefined> {
  return entriesOf(await askUp(options.httpListen));
}

async function describeUp(pid: number, status: Status | undefined): Promise<RunningUp | undefined> {
  const options = await (status?.options === undefined ? optionsOf(pid) : parsed(status.options, {}));
  if (options === undefined) return undefined;
  return { pid, options, place: treePlace(options), memory: entriesOf(status) };
}

function entriesOf(status: Status | undefined): ReadonlyMap<string, string> | undefined {
  return status?.tree === undefined ? undefined : new Map(Object.entries(status.tree));
}

/** As it was started; its environment only those see who may. */
async function optionsOf(pid: number): Promise<UpOptions | undefined> {
  const read = async (name: string) => (await readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')).split('\0');
  const words = await read('cmdline');
  const start = words.findIndex(
    (word, index) => word === 'up' && /(^|\/)clusterf(\.cjs)?$/.test(words[index - 1] ?? ''),
  );
  if (start < 0) return undefined;
  const environment = (await read('environ')).map((line): [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  });
  return await parsed(words.slice(start + 1, -1), Object.fromEntries(environment));
}

async function parsed(argv: readonly string[], env: Environment): Promise<UpOptions | undefined> {
  try {
    const found = await parseOptions(command, argv, env);
    return found.kind === 'run' ? found.options : undefined;
  } catch (thrown) {
    // Of another version, or with a file that is not to be seen from here.
    if (thrown instanceof CommandError) return undefined;
    throw thrown;
  }
}

/** @returns undefined if no `clusterf up` answers there */
async function askUp(listen: string): Promise<Status | undefined> {
  const place = parseHttpListen(listen);
  if (place === undefined || place === 'none') return undefined;
  const { host = '127.0.0.1', port } = place;
  try {
    const at = formatHttpListen({ host: /^(0\.0\.0\.0|::)$/.test(host) ? '127.0.0.1' : host, port });
    const response = await fetch(`http://${at}/status`, { signal: AbortSignal.timeout(TIMEOUT) });
    return Status.safeParse(await response.json()).data;
  } catch {
    // Nobody is there, or somebody else.
    return undefined;
  }
}
