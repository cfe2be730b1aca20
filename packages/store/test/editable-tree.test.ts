import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConflictError, MAX_CHANGES, openTree, type Reading, RefusedError, transactions } from '../src/index.js';
import { read } from './reader.js';

const NOTHING: Reading = new Map();

let root: string;
let tree: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'clusterf-tree-'));
  tree = join(root, 'tree');
  await mkdir(tree);
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

const open = () => openTree(`file://${tree}`);
const put = (...paths: readonly string[]) => new Map(paths.map((path) => [path, '{"tcp":80}']));

describe('a directory', () => {
  test('has afterwards what was put, and not what was removed, with no directory left empty', async () => {
    using editable = open();
    await editable.write(put('services/web/frontend', 'services/web/backends/a b', 'routes/🦊'), NOTHING);
    expect(await readFile(join(tree, 'services/web/backends/a b'), 'utf8')).toBe('{"tcp":80}');
    const reading = await editable.read();
    expect([...reading.keys()]).toEqual(['routes/🦊', 'services/web/backends/a b', 'services/web/frontend']);
    await editable.write(
      new Map([
        ['services/web/backends/a b', undefined],
        ['routes/🦊', '{}'],
      ]),
      reading,
    );
    expect(await readdir(join(tree, 'services/web'))).toEqual(['frontend']);
    expect(await readFile(join(tree, 'routes/🦊'), 'utf8')).toBe('{}');
  });

  test('is read at a path: the entry there and those below it, not those whose names begin so', async () => {
    using editable = open();
    await editable.write(put('services/web/frontend', 'services/web/backends/a', 'services/web2/frontend'), NOTHING);
    expect([...(await editable.read('services/web')).keys()]).toEqual([
      'services/web/backends/a',
      'services/web/frontend',
    ]);
    expect([...(await editable.read('services/web/frontend')).keys()]).toEqual(['services/web/frontend']);
  });

  test('that was changed since it was read is not written to at all', async () => {
    using editable = open();
    await editable.write(put('routes/a', 'routes/b'), NOTHING);
    const reading = await editable.read();
    await writeFile(join(tree, 'routes/b'), '{"Prefix":"10.0.0.0/8"}');
    const attempt = editable.write(put('routes/a', 'routes/b', 'routes/c'), reading);
    await expect(attempt).rejects.toThrow(ConflictError);
    await expect(attempt).rejects.toThrow(/routes\/b; nothing was written/);
    expect(await readdir(join(tree, 'routes'))).toEqual(['a', 'b']);
  });

  test('keeps the mode of a file that is replaced, and shows a follower no half of it', async () => {
    using editable = open();
    await editable.write(put('sync'), NOTHING);
    await chmod(join(tree, 'sync'), 0o600);
    await using reader = read(editable);
    await reader.sees({ sync: '{"tcp":80}' });
    await editable.write(new Map([['sync', '{"interface":"eth0"}']]), await editable.read());
    await reader.sees({ sync: '{"interface":"eth0"}' });
    expect(reader.events.map(({ type }) => type)).toEqual(['snapshot', 'changes']);
    expect((await stat(join(tree, 'sync'))).mode & 0o777).toBe(0o600);
  });

  test.each([
    ['..', 'services/../../outside'],
    ['an empty part', 'services//frontend'],
    ['a zero byte', 'routes/a\0b'],
    ['a hidden name', 'routes/.lan'],
    ['the name of a backup', 'routes/lan~'],
    ['a name too long for a file', `routes/${'x'.repeat(256)}`],
    ['too many parts', 'a/b/c/d/e/f/g'],
  ])('refuses a path with %s, and makes nothing', async (_, path) => {
    using editable = open();
    await expect(editable.write(put(path), NOTHING)).rejects.toThrow(RefusedError);
    expect(await readdir(root)).toEqual(['tree']);
    expect(await readdir(tree)).toEqual([]);
  });

  test('refuses a value that no source would read, being more than a mebibyte', async () => {
    using editable = open();
    const long = new Map([['routes/a', JSON.stringify({ x: 'x'.repeat(1_048_576) })]]);
    await expect(editable.write(long, NOTHING)).rejects.toThrow(/1048584 bytes; expected at most 1048576/);
  });

  test('writes and removes nothing behind a symbolic link that leads out', async () => {
    await mkdir(join(root, 'outside'));
    await writeFile(join(root, 'outside', 'frontend'), '{}');
    await mkdir(join(tree, 'services'));
    await symlink(join(root, 'outside'), join(tree, 'services', 'web'));
    using editable = open();
    const reading = await editable.read();
    expect(reading.get('services/web/frontend')?.value).toBe('{}');
    const elsewhere = /leads out of/;
    await expect(editable.write(put('services/web/frontend'), reading)).rejects.toThrow(elsewhere);
    await expect(editable.write(put('services/web/backends/a'), reading)).rejects.toThrow(elsewhere);
    await expect(editable.write(new Map([['services/web/frontend', undefined]]), reading)).rejects.toThrow(elsewhere);
    expect(await readdir(join(root, 'outside'))).toEqual(['frontend']);
    expect(await readFile(join(root, 'outside', 'frontend'), 'utf8')).toBe('{}');
  });

  test('leaves alone an entry that is a symbolic link, or a directory', async () => {
    await writeFile(join(root, 'shared'), '{}');
    await symlink(join(root, 'shared'), join(tree, 'sync'));
    await mkdir(join(tree, 'routes', 'lan'), { recursive: true });
    using editable = open();
    const reading = await editable.read();
    await expect(editable.write(put('sync'), reading)).rejects.toThrow(/is a symbolic link; expected a file/);
    await expect(editable.write(put('routes/lan'), reading)).rejects.toThrow(/is a directory; expected a file/);
    expect((await lstat(join(tree, 'sync'))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(root, 'shared'), 'utf8')).toBe('{}');
  });

  test('that is not there is said to be so, and is not made', async () => {
    using editable = openTree(`file://${join(root, 'nowhere')}`);
    await expect(editable.read()).rejects.toThrow(/nowhere.*ENOENT/);
    await expect(editable.write(put('sync'), NOTHING)).rejects.toThrow(/ENOENT/);
    expect(await readdir(root)).toEqual(['tree']);
  });
});

function sizes(changes: ReadonlyMap<string, string | undefined>): readonly number[] {
  return [...transactions(changes)].map(({ size }) => size);
}

describe('changes of any number', () => {
  test('come in portions that a transaction takes, what is put before what is removed', () => {
    const changes = new Map<string, string | undefined>();
    for (let i = 0; i < MAX_CHANGES; i++) changes.set(`routes/old${i}`, undefined).set(`routes/new${i}`, '{}');
    const portions = [...transactions(changes)].map((portion) => [...portion.values()]);
    expect(portions.map(({ length }) => length)).toEqual([MAX_CHANGES, MAX_CHANGES]);
    expect(portions.map((values) => new Set(values))).toEqual([new Set(['{}']), new Set([undefined])]);
    expect(sizes(new Map())).toEqual([]);
  });

  test('are no more than a mebibyte a portion, unless a single one is', () => {
    const value = 'x'.repeat(600_000);
    const changes = new Map(['a', 'b', 'c'].map((name) => [`routes/${name}`, value]));
    expect(sizes(changes)).toEqual([1, 1, 1]);
    expect(sizes(new Map([['routes/a', value.repeat(3)]]))).toEqual([1]);
  });

  test('are refused where they are given all at once', async () => {
    using editable = open();
    const paths = Array.from({ length: MAX_CHANGES + 1 }, (_, i) => `routes/${i}`);
    await expect(editable.write(put(...paths), NOTHING)).rejects.toThrow(/129 changes are too many.*takes 128/);
  });
});
