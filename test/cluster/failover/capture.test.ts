import { expect, test } from '@jest/globals';
import { readPackets } from './capture.js';
import { flowKey } from './conversation.js';

test('packets of either family are read from what tcpdump prints, and what is none is not', () => {
  const text = [
    'reading from file router-fabric.pcap, link-type EN10MB (Ethernet), snapshot length 96',
    '1795342742.701580 02:00:00:00:00:01 > 02:00:00:00:00:11, ethertype IPv4 (0x0800), length 74: 10.1.0.51.44124 > 10.200.0.1.80: Flags [S], seq 1753527420, win 65495, length 0',
    '1795342743.000001 02:00:00:00:00:01 > 02:00:00:00:00:12, ethertype IPv6 (0x86dd), length 150: fd00:1::51.47134 > fd00:200::1.80: Flags [P.], seq 1:65, ack 1, win 507, length 64: HTTP',
    '',
  ].join('\n');
  expect(readPackets(text)).toEqual([
    {
      at: 1_795_342_742_701.58,
      to: '02:00:00:00:00:11',
      flow: flowKey({ target: { address: '10.200.0.1', port: 80 }, port: 44124 }),
    },
    {
      at: 1_795_342_743_000.001,
      to: '02:00:00:00:00:12',
      flow: flowKey({ target: { address: 'fd00:200::1', port: 80 }, port: 47134 }),
    },
  ]);
});
