import { beforeEach, describe, expect, test } from '@jest/globals';
import { ProblemLog } from '../src/problem-log.js';
import { RecordedLog } from './recorded-log.js';

const problem = (message: string, key = 'services/web/frontend') => ({ source: 'etcd', key, message });

describe('a problem', () => {
  let log: RecordedLog;
  let problems: ProblemLog;
  beforeEach(() => {
    log = new RecordedLog();
    problems = new ProblemLog(log);
  });
  const lines = () => log.text.trim().split('\n');

  test('is said when it appears and when it is gone, and not in between', () => {
    problems.update([problem('tcp is 0')]);
    problems.update([problem('tcp is 0')]);
    problems.update([]);
    expect(lines()).toHaveLength(2);
    expect(log.text).toMatch(/problem: services\/web\/frontend: tcp is 0[^]*problem solved: services\/web\/frontend/);
  });

  test('that is told of in other words now is not called solved', () => {
    problems.update([problem('tcp is 0'), problem('x', 'routes/a')]);
    problems.update([problem('tcp is -1'), problem('x', 'routes/a')]);
    expect(lines()).toHaveLength(3);
    expect(log.text).not.toContain('solved');
    problems.update([problem('x', 'routes/a')]);
    expect(lines()).toHaveLength(4);
    expect(log.text).toContain('problem solved: services/web/frontend: tcp is -1');
  });

  test('of several of one key is solved by itself', () => {
    problems.update([problem('tcp is 0'), problem('udp is 0')]);
    problems.update([problem('udp is 0')]);
    expect(log.text).toContain('problem solved: services/web/frontend: tcp is 0');
  });
});
