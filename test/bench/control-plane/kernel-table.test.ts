import { expect, test } from '@jest/globals';
import { destinationsOf } from './kernel-table.js';

const TABLE = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0AC80001:0050 rr 
  -> 0A020029:0050      Route   10     0          0
  -> 0A020016:0050      Route   10     0          0
TCP  0AC80002:0050 rr 
TCP  0AC80003:0050 rr 
  -> 0A020029:0050      Route   10     0          0
`;

test.each([
  ['10.200.0.1', 2],
  ['10.200.0.2', 0],
  ['10.200.0.3', 1],
  ['10.200.0.4', 0],
])('the kernel has for %s, of its table, %d destinations', (address, count) => {
  expect(destinationsOf(TABLE, address, 80)).toBe(count);
});
