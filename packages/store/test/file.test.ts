// oxlint-disable jest/expect-expect -- `sees` and `next` throw where what they wait for does not come
import { chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ConfigTree } from '@clusterf/model';
import { fileSource } from '@clusterf/store';
import { read, type Reader } from './reader.js';

let directory: string;
let root: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-file-'));
  root = join(directory, 'tree');
  await mkdir(root);
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

/** Notifications alone have to do: the regular look is too far away. */
function follow(rescan = 60_000): Reader {
  return read(fileSource({ type: 'file', url: `file://${root}`, path: root }, { rescan, settle: 20 }));
}

describe('a tree of files', () => {
  test('is read byte for byte, symbolic links followed, hidden files and backups passed over', async () => {
    await put('services/web/frontend', '{"tcp":80}\n');
    await put('services/web/backends/a b', '{}');
    await put('services/web/backends/.a.swp', 'x');
    await put('services/web/frontend~', 'x');
    await put('.git/config', 'x');
    await writeFile(join(directory, 'elsewhere'), 'linked ü');
    await symlink(join(directory, 'elsewhere'), join(root, 'sync'));
    await mkdir(join(directory, 'routes'));
    await writeFile(join(directory, 'routes', 'r'), '{}');
    await symlink(join(directory, 'routes'), join(root, 'routes'));
    await symlink('nowhere', join(root, 'dangling'));
    await using reader = follow();
    await reader.sees({
      'services/web/frontend': '{"tcp":80}\n',
      'services/web/backends/a b': '{}',
      sync: 'linked ü',
      'routes/r': '{}',
    });
  });

  test('that is written in place is empty at first: until it is written, what it said before stays', async () => {
    await put('a', '1');
    await using reader = follow();
    await reader.sees({ a: '1' });
    await put('a', '');
    await put('b', '');
    await put('c', '1');
    await reader.sees({ a: '1', c: '1' });
    await put('a', '2');
    await put('b', '1');
    await reader.sees({ a: '2', b: '1', c: '1' });
  });

  test('is followed: files made, written, replaced by renaming and removed, in old directories and new', async () => {
    await put('a', '1');
    await using reader = follow();
    await reader.sees({ a: '1' });
    await put('services/web/backends/x', '1');
    await reader.sees({ a: '1', 'services/web/backends/x': '1' });
    await put('services/web/backends/x', '2');
    await reader.sees({ a: '1', 'services/web/backends/x': '2' });
    for (let i = 0; i < 10; i++) {
      await writeFile(join(root, '.a.new'), `renamed ${i}`);
      await rename(join(root, '.a.new'), join(root, 'a'));
      await reader.sees({ a: `renamed ${i}`, 'services/web/backends/x': '2' });
    }
    await rm(join(root, 'services'), { recursive: true });
    await reader.sees({ a: 'renamed 9' });
    expect(reader.events.findLastIndex(({ type }) => type !== 'changes')).toBe(0);
  });

  test('is followed without notifications too, by looking at it regularly', async () => {
    await writeFile(join(directory, 'elsewhere'), '1');
    await symlink(join(directory, 'elsewhere'), join(root, 'a'));
    await using reader = follow(50);
    await reader.sees({ a: '1' });
    // No directory of the tree changes by this.
    await writeFile(join(directory, 'elsewhere'), '2');
    await reader.sees({ a: '2' });
  });

  test('that is not there, or no directory, is unavailable until it is', async () => {
    await rm(root, { recursive: true });
    await using reader = follow(50);
    const { error } = await reader.next('unavailable');
    expect(error.message).toContain('ENOENT');
    await writeFile(root, 'a file');
    await rm(root);
    await put('a', '1');
    await reader.sees({ a: '1' });
    await rename(root, `${root}.away`);
    await reader.next('unavailable', 2);
    await rename(`${root}.away`, root);
    await reader.next('snapshot', 3);
    await put('a', '2');
    await reader.sees({ a: '2' });
    expect(reader.events.slice(0, 4).map(({ type }) => type)).toEqual([
      'unavailable',
      'snapshot',
      'unavailable',
      'snapshot',
    ]);
  });

  test('a file that cannot be read, or is huge, is quarantined rather than lost', async () => {
    const key = 'services/web/backends/a';
    await put(key, '{"weight":3}');
    await using reader = follow();
    await reader.sees({ [key]: '{"weight":3}' });
    await put(key, `{"weight":4${' '.repeat(1_048_576)}}`);
    await reader.sees({ [key]: 'unreadable: 1048588 bytes, more than 1048576' });
    const tree = new ConfigTree(['file:']);
    for (const event of reader.events) {
      tree.apply(0, event);
    }
    expect(tree.config.services.get('web')?.backends.get('a')?.weight).toBe(3);
    expect(tree.problems).toMatchObject([{ key, message: expect.stringContaining('unreadable: 1048588 bytes') }]);
    await put(key, '{"weight":5}');
    await reader.sees({ [key]: '{"weight":5}' });
    await put('other', '{}');
    await chmod(join(root, 'other'), 0o000);
    // Root reads it all the same; anybody else gets the reason in its place.
    const text = process.getuid?.() === 0 ? '{}' : 'unreadable: EACCES';
    await reader.sees({ [key]: '{"weight":5}', other: text });
  });

  test('a loop of symbolic links ends', async () => {
    await put('services/a', '1');
    await symlink(root, join(root, 'services', 'loop'));
    await using reader = follow();
    await reader.next('snapshot');
    expect(Object.keys(reader.tree ?? {}).length).toBeLessThan(10);
  });

  test('aborting ends it promptly', async () => {
    await using reader = follow();
    await reader.sees({});
    expect(await reader.stop()).toBeLessThan(1000);
  });
});
