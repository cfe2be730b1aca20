import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import type { RegistrationEvent, Registrations } from '@clusterf/store';
import { until } from '../../../test/fixtures/until.js';
import { map, soon } from './opened.js';

/** A tree, empty at first, to register in. */
export interface Registry {
  /** A run of an agent; all of one tree hold the same claim, one after the other. */
  readonly open: (onEvent: (event: RegistrationEvent) => void) => Registrations;
  /** All entries but the claim. */
  readonly entries: () => Promise<Readonly<Record<string, string>>>;
  /** Somebody else's doing. */
  readonly put: (path: string, value: string) => Promise<void>;
}

/** What registrations do, wherever they are kept. */
export function describeRegistrations(where: string, registry: () => Registry): void {
  /** Runs one after the other, each closed when the next begins. */
  function runs(): { readonly tree: Registry; readonly next: () => Promise<Run> } {
    const tree = registry();
    let current: Registrations | undefined;
    const next = async () => {
      await current?.close();
      const told: RegistrationEvent[] = [];
      const registrations = tree.open((event) => told.push(event));
      current = registrations;
      const publish: Run['publish'] = async (entries, options) => {
        registrations.publish(map(entries), options);
        await registrations.settled(soon());
      };
      return { registrations, publish, told };
    };
    return { tree, next };
  }

  describe(`registrations in ${where}`, () => {
    test('what is published is there, what changes is changed, and nothing else is touched', async () => {
      const { tree, next } = runs();
      await tree.put('theirs', 'operator');
      const { registrations, publish, told } = await next();
      await publish({ a: '1', b: '1', c: '1' });
      expect(await tree.entries()).toEqual({ theirs: 'operator', a: '1', b: '1', c: '1' });
      const before = told.length;
      await publish({ a: '1', b: '2', d: '1' });
      expect(await tree.entries()).toEqual({ theirs: 'operator', a: '1', b: '2', d: '1' });
      await publish({ a: '1', b: '2', d: '1' });
      expect(told.slice(before)).toEqual([
        { type: 'put key', key: 'b', value: '2' },
        { type: 'put key', key: 'd', value: '1' },
        { type: 'removed key', key: 'c' },
      ]);
      expect(registrations.state).toMatchObject({
        claimed: true,
        settled: true,
        desired: map({ a: '1', b: '2', d: '1' }),
      });
      await registrations.close();
    });

    test('a shared key that is there already is left alone, and told of once', async () => {
      const { tree, next } = runs();
      await tree.put('theirs', 'operator');
      const { registrations, publish, told } = await next();
      await publish({}, { shared: map({ theirs: '1', ours: '1' }) });
      await publish({}, { shared: map({ theirs: '1', ours: '2' }) });
      expect(await tree.entries()).toEqual({ theirs: 'operator', ours: '2' });
      expect(registrations.state.held).toEqual(map({ theirs: 'operator' }));
      const held = { type: 'held by another', key: 'theirs', value: 'operator' };
      expect(told.filter(({ type }) => type === 'held by another')).toEqual([held]);
      await publish({}, { shared: map({ ours: '2' }) });
      expect(registrations.state.held).toEqual(new Map());
      await registrations.flush();
      await holds(tree, { theirs: 'operator' });
    });

    test('what is flushed is gone, and nothing comes after', async () => {
      const { tree, next } = runs();
      await tree.put('theirs', 'operator');
      const { registrations, publish, told } = await next();
      await publish({ a: '1' });
      await registrations.flush();
      expect(await tree.entries()).toEqual({ theirs: 'operator' });
      expect(told.filter(({ type }) => type === 'removed key')).toContainEqual({ type: 'removed key', key: 'a' });
      registrations.publish(map({ a: '2' }));
      expect(await tree.entries()).toEqual({ theirs: 'operator' });
    });

    test('what is closed stays, and nothing comes after', async () => {
      const { tree, next } = runs();
      const { registrations, publish } = await next();
      await publish({ a: '1' });
      await registrations.close();
      registrations.publish(map({ a: '2' }));
      expect(await tree.entries()).toEqual({ a: '1' });
    });

    test('the next run keeps of what the former left what it is told to, until all is known', async () => {
      const { tree, next } = runs();
      const former = await next();
      await former.publish({ a: '1', b: '1' }, { shared: map({ c: '1' }) });
      const { registrations, publish } = await next();
      await until('it has the claim', () => registrations.state.claimed);
      expect(registrations.state.desired).toEqual(map({ a: '1', b: '1', c: '1' }));
      await publish({ d: '1' }, { keep: (path) => path !== 'b' });
      expect(await tree.entries()).toEqual({ a: '1', c: '1', d: '1' });
      expect(registrations.state.desired).toEqual(map({ a: '1', c: '1', d: '1' }));
      await publish({ a: '2', d: '1' });
      expect(await tree.entries()).toEqual({ a: '2', d: '1' });
      await registrations.close();
    });
  });
}

interface Run {
  readonly registrations: Registrations;
  readonly publish: (
    entries: Readonly<Record<string, string>>,
    options?: Parameters<Registrations['publish']>[1],
  ) => Promise<void>;
  readonly told: readonly RegistrationEvent[];
}

async function holds(tree: Registry, expected: Readonly<Record<string, string>>): Promise<void> {
  const text = Object.keys(expected).join(', ') || 'nothing';
  await until(`the tree holds ${text}`, async () => isDeepStrictEqual(await tree.entries(), expected));
}
