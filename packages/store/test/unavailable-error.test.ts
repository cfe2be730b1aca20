import { describe, expect, test } from '@jest/globals';
import { kindOf, UnavailableError } from '../src/unavailable-error.js';

const said = (words: string) => UnavailableError.from('etcd h1:2379', new Error(words));

test.each([
  [
    '4 DEADLINE_EXCEEDED: Deadline exceeded after 5.003s,name resolution: 0.068s,Waiting for LB pick',
    'etcd h1:2379: Deadline exceeded',
  ],
  [
    '14 UNAVAILABLE: No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ',
    'etcd h1:2379: No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1',
  ],
  [
    '14 UNAVAILABLE: No connection established. Last error: Protocol error (2026-11-22T03:43:38.441Z). Resolution note: ',
    'etcd h1:2379: No connection established. Last error: Protocol error',
  ],
  ['7 PERMISSION_DENIED: etcdserver: permission denied', 'etcd h1:2379: etcdserver: permission denied'],
])('what differs from attempt to attempt is not said: %s', (words, message) => {
  expect(said(words).message).toBe(message);
});

describe('the kind of trouble', () => {
  const away = [
    '4 DEADLINE_EXCEEDED: Deadline exceeded after 5.003s,Waiting for LB pick',
    '14 UNAVAILABLE: No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ',
    '14 UNAVAILABLE: Connection dropped',
    '14 UNAVAILABLE: Name resolution failed for target dns:etcd1:2379',
    'the watch ended',
  ];
  test('is one, however an etcd that is away shows it', () => {
    expect(new Set(away.map((words) => kindOf(said(words)))).size).toBe(1);
  });

  test.each([
    '7 PERMISSION_DENIED: etcdserver: permission denied',
    '14 UNAVAILABLE: No connection established. Last error: self-signed certificate. Resolution note: ',
    "ENOENT: no such file or directory, open '/etc/clusterf/ca.pem'",
  ])('is another where something else is to be done: %s', (words) => {
    expect(kindOf(said(words))).not.toBe(kindOf(said(away[0] ?? '')));
    expect(kindOf(said(words))).toBe(kindOf(said(words)));
  });
});
