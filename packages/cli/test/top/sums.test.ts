import { describe, expect, test } from '@jest/globals';
import type { DestinationLook, Look, Rates } from '../../src/top/look.js';
import { type Sorting, sumOf } from '../../src/top/sums.js';
import { momentLines, short } from '../../src/top/text.js';

function rates(connections: number, bytes = 0): Rates {
  return { connections, packetsIn: 0, packetsOut: 0, bytesIn: bytes, bytesOut: 0 };
}

/** One balancer with one service, and backends by name: connections/s, active connections, weight. */
function look(service: string, backends: Readonly<Record<string, readonly [number, number, number]>>): Look {
  const virtualService = `tcp 10.0.0.${service.length}:80`;
  const destinations = Object.entries(backends).map(([backend, [connections, active, weight]]): DestinationLook => {
    const destination = `172.17.0.${backend.charCodeAt(0) - 96}:80`;
    return { service, virtualService, backend, destination, rates: rates(connections), active, inactive: 1, weight };
  });
  const sum = destinations.reduce((all, each) => all + each.rates.connections, 0);
  return { services: [{ service, virtualService, rates: rates(sum) }], destinations };
}

function names(looks: readonly Look[], sorting: Sorting): readonly string[] {
  return sumOf(looks, sorting).flatMap(({ service, backends }) => [service, ...backends.map(({ backend }) => backend)]);
}

describe('several balancers', () => {
  test('are added, thing by thing; of weights that differ both are told', () => {
    const [web] = sumOf([look('web', { a: [3, 5, 10], b: [1, 1, 10] }), look('web', { a: [4, 6, 0] })], 'name');
    expect(web).toMatchObject({ service: 'web', rates: rates(8), active: 12, inactive: 3 });
    expect(web?.backends).toMatchObject([
      { backend: 'a', rates: rates(7), active: 11, weights: [0, 10] },
      { backend: 'b', rates: rates(1), active: 1, weights: [10, 10] },
    ]);
  });

  test('may have services that others have not', () => {
    expect(names([look('web', { a: [1, 1, 1] }), look('mail', {})], 'name')).toEqual(['mail', 'web', 'a']);
  });
});

describe('the order of lines', () => {
  const looks = [look('web', { a: [1, 9, 1], b: [2, 2, 1], c: [1, 9, 1] }), look('mail', { d: [9, 1, 1] })];

  test.each<[Sorting, string]>([
    ['connections', 'mail d web b a c'],
    ['active', 'web a c b mail d'],
    ['name', 'mail d web a b c'],
    ['bytes', 'mail d web a b c'],
  ])('by %s, then by name', (sorting, order) => {
    expect(names(looks, sorting).join(' ')).toBe(order);
  });
});

test('figures take five characters at most, whatever they are', () => {
  const figures = [0, 7, 99_999, 100_000, 999_499, 999_999, 1_234_567, 12_345_678, 5e9, 999e12];
  expect(figures.map(short)).toEqual(['0', '7', '99999', '100k', '999k', '1.00M', '1.23M', '12.3M', '5.00G', '999T']);
});

function onlyOfC(service: string, backend: string): string | undefined {
  return `${service}/${backend}` === 'web/c' ? 'web-3' : undefined;
}

test('a moment is told as aligned lines, with what could not be asked, containers by their names or by ids as short as Docker has them', () => {
  const id = 'c0ffee'.repeat(10) + '1234';
  const services = sumOf([look('web', { a: [1, 2, 10] })], 'name').map((service) => ({
    ...service,
    backends: service.backends.map((backend) => ({ ...backend, backend: `${id},b,c`, weights: [0, 10] as const })),
  }));
  const at = new Date('2026-01-01T12:00:05');
  const lines = momentLines({
    from: ['http://lb1:9780'],
    at,
    sorting: 'name',
    services,
    treeIsRead: true,
    container: onlyOfC,
    complaints: ['lb2: refused'],
  });
  expect(lines).toEqual([
    'clusterf top  12:00:05  http://lb1:9780  1 virtual service, 1 destination, by name',
    "rates are the kernel's own, averaged over some 8 s and refreshed every 2 s",
    '! lb2: refused',
    '',
    'SERVICE                 AT               WEIGHT  CONN/S  ACTIVE  INACTIVE  PACKETS/S IN  OUT  BYTES/S IN  OUT',
    'web                     tcp 10.0.0.3:80               1       2         1             0    0           0    0',
    '  c0ffeec0ffee,b,web-3  172.17.0.1:80      0-10       1       2         1             0    0           0    0',
  ]);
});
