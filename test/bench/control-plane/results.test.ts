import { expect, test } from '@jest/globals';
import { reportOf } from './report.js';
import { spread } from './results.js';

test('the worst run is shown beside the one in the middle', () => {
  expect(spread([30, 10, 20])).toEqual({ p50: 20, worst: 30 });
});

test('a server that listened before the command has no time since it listened', () => {
  const report = reportOf({
    container: {
      title: 'a container',
      growth: [{ command: 300, listening: 20, failures: 1 }],
      decline: [{ command: 5, failures: 0 }],
    },
    server: { title: 'a server', growth: [{ command: 7, failures: 0 }], decline: [{ command: 6, failures: 2 }] },
  });
  const cells = (title: string) =>
    report
      .split('\n')
      .filter((line) => line.startsWith(`| ${title}`))
      .map((line) => line.split('|').map((cell) => cell.trim()));
  expect(cells('a container')).toEqual([
    ['', 'a container', '1', '300 ms', '300 ms', '20.0 ms', '20.0 ms', '1', ''],
    ['', 'a container', '1', '5.0 ms', '5.0 ms', '0', ''],
  ]);
  expect(cells('a server')).toEqual([
    ['', 'a server', '1', '7.0 ms', '7.0 ms', '', '', '0', ''],
    ['', 'a server', '1', '6.0 ms', '6.0 ms', '2', ''],
  ]);
});
