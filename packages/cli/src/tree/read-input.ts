import { constants, open } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { FailureError, toError, UsageError } from '@clusterf/daemon';

/** A text somebody wrote, and where. */
export interface Input {
  readonly name: string;
  readonly text: string;
}

const DOCUMENT = /\.(?:ya?ml|json)$/i;

/**
 * What `--file` names: files, directories of *.yaml, *.yml and *.json, and `-` for standard input.
 *
 * @throws {FailureError} if one cannot be read, a directory has none, or somebody interrupts it
 */
export async function readInputs(names: readonly string[], signal: AbortSignal): Promise<readonly Input[]> {
  if (names.filter((name) => name === '-').length > 1)
    throw new UsageError('--file: standard input can be read only once');
  const inputs: Input[] = [];
  for (const name of names)
    for (const each of name === '-' ? [name] : await filesAt(name)) inputs.push(await readInput(each, signal));
  return inputs;
}

/**
 * One file, or standard input for `-`.
 *
 * @throws {FailureError} if it cannot be read, or somebody interrupts it
 */
export async function readInput(name: string, signal: AbortSignal): Promise<Input> {
  if (name === '-') return { name: 'standard input', text: await readStandardInput(signal) };
  return { name, text: await orFail(name, readOne(name, signal), signal) };
}

/** @throws {FailureError} if somebody interrupts it */
export async function readStandardInput(signal: AbortSignal): Promise<string> {
  return await orFail('standard input', readAll(process.stdin, signal), signal);
}

async function readOne(name: string, signal: AbortSignal): Promise<string> {
  const found = await stat(name);
  if (found.isDirectory()) throw new FailureError('is a directory; expected a file');
  return found.isFIFO() ? await readPipe(name, signal) : await readFile(name, { encoding: 'utf8', signal });
}

/** Opened without waiting for whoever writes into it: a wait in `open` would let no signal end us. */
async function readPipe(name: string, signal: AbortSignal): Promise<string> {
  const fd = await promisify(open)(name, constants.O_RDONLY | constants.O_NONBLOCK);
  return await readAll(new Socket({ fd, readable: true, writable: false }), signal);
}

async function readAll(stream: Readable, signal: AbortSignal): Promise<string> {
  return await text(addAbortSignal(signal, stream));
}

async function filesAt(name: string): Promise<readonly string[]> {
  if (!(await orFail(name, stat(name))).isDirectory()) return [name];
  const names = await orFail(name, readdir(name));
  const documents = names.filter((each) => DOCUMENT.test(each) && !each.startsWith('.')).toSorted();
  if (documents.length === 0)
    throw new FailureError(`${name}: expected files *.yaml, *.yml or *.json in it${await hintAt(name, names)}`);
  const files = documents.map((each) => join(name, each));
  // Nobody may ever write into a pipe that only lies there.
  for (const file of files)
    if (!(await orFail(file, stat(file))).isFile()) throw new FailureError(`${file}: is no regular file`);
  return files;
}

async function hintAt(directory: string, names: readonly string[]): Promise<string> {
  const tops = names.filter((each) => each === 'services' || each === 'routes').map((each) => join(directory, each));
  // Every machine has a file /etc/services.
  const found = await Promise.all(tops.map(async (top) => (await orFail(top, stat(top))).isDirectory()));
  return found.includes(true)
    ? `; it looks like a tree: clusterf get --config-source file://${resolve(directory)} -o yaml | clusterf apply -f -`
    : '';
}

async function orFail<T>(name: string, reading: Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await reading;
  } catch (thrown) {
    const cause = toError(thrown);
    throw new FailureError(`${name}: ${signal?.aborted === true ? 'interrupted' : cause.message}`, { cause });
  }
}
