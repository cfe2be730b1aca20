import { afterAll, beforeAll } from '@jest/globals';
import { openRegistrations } from '@clusterf/store';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { describeRegistrations } from './registrations-behaviour.js';

const CLAIM = { path: 'hosts/h/status', value: '{}' };

let etcd: EtcdProcess;
let trees = 0;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
});

describeRegistrations('etcd', () => {
  trees += 1;
  const prefix = `/tree${trees}`;
  return {
    open: (onEvent) => openRegistrations({ url: `etcd://${etcd.host}${prefix}`, ttl: 10_000, claim: CLAIM, onEvent }),
    entries: async () => {
      const all = Object.entries(await etcd.read(`${prefix}/`)).map(([key, value]) => [
        key.slice(prefix.length + 1),
        value,
      ]);
      return Object.fromEntries(all.filter(([path]) => path !== CLAIM.path));
    },
    put: async (path, value) => await etcd.put(`${prefix}/${path}`, value),
  };
});
