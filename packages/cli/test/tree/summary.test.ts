import { expect, test } from '@jest/globals';
import { summaryTable } from '../../src/tree/summary.js';

/** The table's cells below the heading, of a tree of these entries. */
function rows(entries: Readonly<Record<string, string>>): readonly (readonly string[])[] {
  const table = summaryTable(new Map(Object.entries(entries).map(([path, value]) => [path, { value }])));
  const [, ...lines] = table.trimEnd().split('\n');
  return lines.map((line) => line.split(/ {2,}/));
}

test.each<[string, Readonly<Record<string, string>>, readonly string[]]>([
  [
    'with all it may have',
    { 'services/a/frontend': '{"ipv4":"10.0.0.1","ipv6":"2001:db8::1","tcp":80,"sctp":9,"scheduler":"sh"}' },
    ['a', '10.0.0.1, 2001:db8::1', 'tcp 80, sctp 9', 'sh', '0', '-'],
  ],
  ['by firewall mark', { 'services/a/frontend': '{"fwmark":7}' }, ['a', '-', 'fwmark 7', '-', '0', '-']],
  ['without a frontend', { 'services/a/backends/x': '{}' }, ['a', 'not published', '-', '-', '1', '-']],
  [
    'whose frontend and a backend cannot be read',
    { 'services/a/frontend': '{', 'services/a/backends/x': '[]' },
    ['a', 'not published', '-', '-', '0', '2 (clusterf validate)'],
  ],
  [
    'some of whose backends take no new connections',
    {
      'services/a/frontend': '{"ipv4":"10.0.0.1","tcp":80}',
      'services/a/backends/by-host': '{"ipv4":"10.1.0.1","host":"docker1","weight":0}',
      'services/a/backends/by-name': '{"ipv4":"10.1.0.2"}',
      'services/a/backends/idle': '{"ipv4":"10.1.0.3","weight":0}',
      'services/a/backends/works': '{"ipv4":"10.1.0.4","host":"docker2"}',
      'drain/hosts/docker1': '{}',
      'drain/backends/a/by-name': '{}',
      'drain/backends/other/works': '{}',
    },
    ['a', '10.0.0.1', 'tcp 80', '-', '4 (2 drained, 1 of weight 0)', '-'],
  ],
])('a service %s is one line', (_, entries, row) => {
  expect(rows(entries)).toEqual([row]);
});

test('services are in the order of their names, and what is no service is left out', () => {
  expect(
    rows({ sync: '{', 'routes/x': '{', 'services/b/backends/x': '{}', 'services/a/backends/x': '{}' }).map(
      ([name]) => name,
    ),
  ).toEqual(['a', 'b']);
});
