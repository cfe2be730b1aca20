import { setImmediate as settled } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { memoryRegistrations, MemoryTree } from '@clusterf/store';
import { read } from './reader.js';
import { describeRegistrations } from './registrations-behaviour.js';

test('every reader gets the tree as it is when it begins, then each transaction as one event', async () => {
  const tree = new MemoryTree([['a', '1']]);
  await using early = read(tree);
  await early.sees({ a: '1' });
  tree.transaction(
    new Map([
      ['a', undefined],
      ['b', '1'],
      ['c', '1'],
    ]),
  );
  tree.set('b', '1');
  tree.delete('nothing');
  await using late = read(tree);
  tree.set('b', '2');
  await early.sees({ b: '2', c: '1' });
  await late.sees({ b: '2', c: '1' });
  expect(early.events.map(({ type }) => type)).toEqual(['snapshot', 'changes', 'changes']);
  expect(Object.fromEntries(tree.entries)).toEqual({ b: '2', c: '1' });
});

test('an interruption is an outage and a snapshot', async () => {
  const tree = new MemoryTree([['a', '1']]);
  await using reader = read(tree);
  await reader.sees({ a: '1' });
  tree.interrupt(new Error('gone'));
  await reader.next('snapshot', 1);
  expect(reader.events.map(({ type }) => type)).toEqual(['snapshot', 'unavailable', 'snapshot']);
});

test('aborting ends it', async () => {
  await using reader = read(new MemoryTree());
  await reader.sees({});
  expect(await reader.stop()).toBeLessThan(1000);
});

test('of a tree that is unread nothing is told before the first transaction, and then all of it', async () => {
  const tree = MemoryTree.unread();
  await using early = read(tree);
  await settled();
  expect(early.events).toEqual([]);
  tree.set('a', '1');
  await early.sees({ a: '1' });
  await using late = read(tree);
  await late.sees({ a: '1' });
  expect([...early.events, ...late.events].map(({ type }) => type)).toEqual(['snapshot', 'snapshot']);
});

test('a first transaction that changes nothing tells that there is nothing', async () => {
  const tree = MemoryTree.unread();
  await using reader = read(tree);
  tree.transaction(new Map());
  tree.transaction(new Map());
  await reader.sees({});
  await settled();
  expect(reader.events.map(({ type }) => type)).toEqual(['snapshot']);
});

describeRegistrations('memory', () => {
  const tree = new MemoryTree();
  let former: ReadonlyMap<string, string> | undefined;
  const save = (written: ReadonlyMap<string, string>) => {
    former = written;
  };
  return {
    open: (onEvent) => {
      // What a process had in memory is gone with it.
      tree.transaction(new Map([...(former ?? [])].map(([path]) => [path, undefined])));
      return memoryRegistrations(tree, { former, save, claim: { path: 'hosts/h/status', value: '{}' }, onEvent });
    },
    entries: async () => Object.fromEntries(tree.entries),
    put: async (path, value) => tree.set(path, value),
  };
});

test('registrations in memory make their tree known with the first publication, be it an empty one', async () => {
  const tree = MemoryTree.unread();
  await using reader = read(tree);
  const registrations = memoryRegistrations(tree, { former: new Map([['a', '1']]) });
  await settled();
  expect(reader.events).toEqual([]);
  registrations.publish(new Map());
  await reader.sees({});
});
