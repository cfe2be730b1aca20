import { describe, expect, test } from '@jest/globals';
import type { VirtualService, VirtualServiceId } from '@clusterf/ipvs';
import { describeOp, printOp, printTable } from '../src/print.js';
import { one, WEB } from './planned.js';

const key = 'tcp 10.0.0.1:80';
const id: VirtualServiceId = { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 };
const service: VirtualService = { id, scheduler: 'mh', schedulerFlags: 3, onePacket: false };

describe('an operation in one line', () => {
  test('calls scheduler flags by their names', () => {
    const op = { command: 'newService', key, serviceName: 'web', service } as const;
    expect(printOp(op)).toBe('new service: tcp 10.0.0.1:80 scheduler=mh schedulerFlags=mh-fallback,mh-port  # web');
    expect(describeOp(op)).toMatchObject({ service: 'web', schedulerFlags: 'mh-fallback,mh-port' });
  });

  test('names the service that is removed, where its name is known', () => {
    expect(printOp({ command: 'delService', key, serviceName: 'web', service: id })).toBe(
      'remove service: tcp 10.0.0.1:80  # web',
    );
    expect(printOp({ command: 'delService', key, service: id })).toBe('remove service: tcp 10.0.0.1:80');
  });
});

test('the table shows flags, persistence, methods and the names that the tree has for things', () => {
  const { desired } = one(
    { ...WEB, scheduler: 'sh', persistence: { timeout: 300 } },
    { ipv4: '172.17.0.2', tcp: 8080 },
  );
  expect(printTable(desired, desired)).toBe(
    [
      'Prot LocalAddress:Port Scheduler Flags',
      '  -> RemoteAddress:Port           Forward Weight Backends',
      'TCP  10.0.0.1:80 sh (sh-fallback) persistent 300  # web',
      '  -> 172.17.0.2:8080              Masq    10     a',
      '',
    ].join('\n'),
  );
});
