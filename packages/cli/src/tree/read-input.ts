import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
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
 * @throws {FailureError} if one cannot be read, or a directory has none
 */
export async function readInputs(names: readonly string[]): Promise<readonly Input[]> {
  if (names.filter((name) => name === '-').length > 1)
    throw new UsageError('--file: standard input can be read only once');
  const inputs: Input[] = [];
  for (const name of names) {
    if (name === '-') inputs.push({ name: 'standard input', text: await text(process.stdin) });
    else
      for (const file of await filesAt(name))
        inputs.push({ name: file, text: await orFail(file, readFile(file, 'utf8')) });
  }
  return inputs;
}

async function filesAt(name: string): Promise<readonly string[]> {
  if (!(await orFail(name, stat(name))).isDirectory()) return [name];
  const names = await orFail(name, readdir(name));
  const documents = names.filter((each) => DOCUMENT.test(each) && !each.startsWith('.')).toSorted();
  if (documents.length > 0) return documents.map((each) => join(name, each));
  const isTree = names.some((each) => each === 'services' || each === 'routes');
  throw new FailureError(
    `${name}: expected files *.yaml, *.yml or *.json in it` +
      (isTree
        ? `; it looks like a tree: clusterf get --config-source file://${name} -o yaml | clusterf apply -f -`
        : ''),
  );
}

async function orFail<T>(name: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (thrown) {
    const cause = toError(thrown);
    throw new FailureError(`${name}: ${cause.message}`, { cause });
  }
}
