import { expect, test } from '@jest/globals';
import { memoryRegistrations, MemoryTree } from '@clusterf/store';
import { read } from './reader.js';

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

test("registrations come and go, and leave other people's keys alone", async () => {
  const tree = new MemoryTree([['routes/r', '']]);
  const registrations = memoryRegistrations(tree);
  registrations.publish(
    new Map([
      ['a', '1'],
      ['b', '1'],
    ]),
  );
  registrations.publish(new Map([['b', '2']]));
  await registrations.settled();
  expect(Object.fromEntries(tree.entries)).toEqual({ 'routes/r': '', b: '2' });
  expect(registrations.state).toMatchObject({ settled: true, written: new Map([['b', '2']]) });
  await registrations.flush();
  expect(Object.fromEntries(tree.entries)).toEqual({ 'routes/r': '' });
});

test('a shared registration leaves a key alone that is there already, and says so', async () => {
  const tree = new MemoryTree([['theirs', 'operator']]);
  const registrations = memoryRegistrations(tree);
  const shared = new Map([
    ['theirs', '1'],
    ['ours', '1'],
  ]);
  registrations.publish(new Map(), { shared });
  expect(Object.fromEntries(tree.entries)).toEqual({ theirs: 'operator', ours: '1' });
  expect(registrations.state.held).toEqual(new Map([['theirs', 'operator']]));
  registrations.publish(new Map(), { shared: new Map([['ours', '2']]) });
  expect(Object.fromEntries(tree.entries)).toEqual({ theirs: 'operator', ours: '2' });
  await registrations.flush();
  expect(Object.fromEntries(tree.entries)).toEqual({ theirs: 'operator' });
});
