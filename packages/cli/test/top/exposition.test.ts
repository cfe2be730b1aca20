import { describe, expect, test } from '@jest/globals';
import { Exposition } from '../../src/top/exposition.js';

const WEB = 'service="web",virtual_service="tcp 10.0.0.1:80"';
const A = `${WEB},backend="a",destination="172.17.0.2:8080"`;

function read(...lines: readonly string[]): Exposition {
  const exposition = new Exposition();
  for (const line of lines) exposition.line(line);
  return exposition;
}

describe('what an agent says of its counters', () => {
  test('comes to one thing a service and one a destination, however many lines say it', () => {
    const { look, countersUp } = read(
      '# HELP clusterf_ipvs_service_connections_per_second The kernel’s estimate.',
      '# TYPE clusterf_ipvs_service_connections_per_second gauge',
      `clusterf_ipvs_service_connections_per_second{${WEB}} 12`,
      `clusterf_ipvs_service_connections_total{${WEB}} 1234`,
      `clusterf_ipvs_service_incoming_packets_per_second{${WEB}} 100`,
      `clusterf_ipvs_service_outgoing_packets_per_second{${WEB}} 90`,
      `clusterf_ipvs_service_incoming_bytes_per_second{${WEB}} 5000`,
      `clusterf_ipvs_service_outgoing_bytes_per_second{${WEB}} 60000`,
      `clusterf_ipvs_destination_connections_per_second{${A}} 12`,
      `clusterf_ipvs_destination_weight{${A}} 10`,
      `clusterf_ipvs_destination_active_connections{${A}} 3`,
      `clusterf_ipvs_destination_inactive_connections{${A}} 40`,
      'clusterf_ipvs_counters_up 1',
    );
    const rates = { connections: 12, packetsIn: 100, packetsOut: 90, bytesIn: 5000, bytesOut: 60_000 };
    expect(countersUp).toBe(true);
    expect(look).toEqual({
      services: [{ service: 'web', virtualService: 'tcp 10.0.0.1:80', rates }],
      destinations: [
        {
          service: 'web',
          virtualService: 'tcp 10.0.0.1:80',
          backend: 'a',
          destination: '172.17.0.2:8080',
          rates: { connections: 12, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 },
          weight: 10,
          active: 3,
          inactive: 40,
        },
      ],
    });
  });

  test('may name things by anything', () => {
    const labels = String.raw`service="a\"}\\ \nb",virtual_service="tcp [2001:db8::1]:80"`;
    const { look } = read(`clusterf_ipvs_service_connections_per_second{${labels}} 1`);
    expect(look.services).toMatchObject([{ service: 'a"}\\ \nb', virtualService: 'tcp [2001:db8::1]:80' }]);
  });

  test('is nothing where the agent could not read its kernel, and where no agent of ours answers', () => {
    expect(read('clusterf_ipvs_counters_up 0').countersUp).toBe(false);
    expect(read('up 1', 'node_load1 0.5', '<html>').countersUp).toBeUndefined();
  });
});
