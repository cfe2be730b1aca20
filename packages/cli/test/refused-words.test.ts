import { expect, test } from '@jest/globals';
import { clusterf } from './clusterf.js';

test.each([
  [['explain'], 'expected one container, or one SERVICE/BACKEND; got 0 of them'],
  [['explain', 'a', 'b'], 'expected one container, or one SERVICE/BACKEND; got 2 of them'],
  [['explain', 'we b'], `"we b" is not a container's name or id`],
  [['explain', 'web/a/b'], '"web/a/b": expected SERVICE/BACKEND'],
  [['explain', '/a'], '"/a": expected SERVICE/BACKEND'],
  [['plan', '--table', '--from-empty'], '--table and --from-empty exclude each other'],
  [['top', '--kernel', '--from', 'lb1'], '--kernel and --from exclude each other'],
  [
    ['top', '--from', 'lb1/status'],
    '--from: "lb1/status" (on the command line) is not where an agent listens: HOST:PORT or http://HOST:PORT',
  ],
  [['top', '--interval', '10ms'], '--interval: "10ms" (on the command line) is not at least 100ms'],
])('clusterf %j is refused with what was expected', async (args, complaint) => {
  const { code, stdout, stderr } = await clusterf(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr.split('\n')[0]).toBe(`clusterf ${args[0]}: ${complaint}`);
});
