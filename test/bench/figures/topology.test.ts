import { expect, test } from '@jest/globals';
import { twoTiers } from '../../cluster/description.js';
import { topology } from './topology.js';

function draw(method: 'droute' | 'tunnel'): string {
  const cluster = twoTiers({ edges: 3, hosts: 2, containers: 3, method });
  return topology({ title: 'T', command: 'make', cluster, virtualAddress: '10.200.0.1' });
}

test('every machine and every container of a cluster is in the picture', () => {
  const drawn = draw('droute');
  for (const name of ['edge1', 'edge3', 'host2', 'host2-3', 'etcd × 1']) expect(drawn).toContain(`>${name}</text>`);
});

test('every balancer leads to every host, by a dashed line where that is a tunnel', () => {
  const [direct, tunnelled] = (['droute', 'tunnel'] as const).map(
    (method) => draw(method).split('way tunnel').length - 1,
  );
  expect([direct, tunnelled]).toEqual([0, 6]);
});
