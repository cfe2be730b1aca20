import { expect, test } from '@jest/globals';
import { agentUrl } from '../../src/top/agent-counters.js';

test.each([
  ['lb1', 'http://lb1:9780'],
  ['lb1:9780', 'http://lb1:9780'],
  ['192.0.2.1:80', 'http://192.0.2.1'],
  ['[2001:db8::1]', 'http://[2001:db8::1]:9780'],
  ['http://lb1:9780/metrics', 'http://lb1:9780'],
  ['http://lb1/', 'http://lb1:9780'],
  ['https://lb1.example', 'https://lb1.example'],
])('%s is where an agent listens', (text, url) => {
  expect(agentUrl(text)).toBe(url);
});

test.each(['', 'lb1:99999', 'http://', 'ftp://lb1', 'lb1/status', 'http://user:secret@lb1', 'lb 1', 'lb1?x'])(
  '%j is not',
  (text) => {
    expect(agentUrl(text)).toBeUndefined();
  },
);
