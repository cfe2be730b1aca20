import { describe, expect, test } from '@jest/globals';
import type Dockerode from 'dockerode';
import { decodeContainer } from '../src/docker.js';
import { SIGTERM, signalNumber } from '../src/signals.js';

describe('signalNumber', () => {
  test.each([
    ['SIGTERM', SIGTERM],
    ['TERM', 15],
    ['term', 15],
    ['sigquit', 3],
    ['15', 15],
    ['WINCH', 28],
    ['SIGRTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
  ])('%s is %d', (text, number) => {
    expect(signalNumber(text)).toBe(number);
  });

  test.each(['', 'SIG', 'SIGNOTHING', '-15', 'RTMIN+'])('%j is none', (text) => {
    expect(signalNumber(text)).toBeUndefined();
  });
});

/** What dockerd 20.10 answers, as far as we look at it. */
function inspected(networkMode: string, settings: object): Dockerode.ContainerInspectInfo {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an answer has far more fields, none of them read
  return {
    Id: 'c1',
    Name: '/web-1',
    Created: '2026-01-01T00:00:00.5Z',
    State: { Status: 'running', StartedAt: '2026-01-01T00:00:01Z' },
    Config: { Labels: null, ExposedPorts: { '99/tcp': {} } },
    HostConfig: { NetworkMode: networkMode },
    NetworkSettings: settings,
  } as unknown as Dockerode.ContainerInspectInfo;
}

describe('decodeContainer', () => {
  test('reads addresses from Networks, never from the fields that only know the default bridge', () => {
    const settings = {
      IPAddress: '172.17.0.9',
      GlobalIPv6Address: 'fd00::9',
      Networks: {
        front: { NetworkID: 'n1', IPAddress: '10.0.0.2', GlobalIPv6Address: 'fd00::2' },
        six: { NetworkID: 'n2', IPAddress: '', GlobalIPv6Address: 'fd01::2' },
        l2: { NetworkID: 'n3', IPAddress: '', GlobalIPv6Address: '', MacAddress: '02:42:ac:11:00:02' },
      },
    };
    expect(decodeContainer(inspected('n2', settings))).toMatchObject({
      name: 'web-1',
      labels: {},
      createdAt: Date.UTC(2026, 0, 1) + 500,
      networkMode: 'six',
      attachments: [
        { network: 'front', ipv4: '10.0.0.2', ipv6: 'fd00::2' },
        { network: 'six', ipv6: 'fd01::2' },
        { network: 'l2' },
      ],
    });
  });

  test('reads every binding of every published port', () => {
    const Ports = {
      '80/tcp': [
        { HostIp: '0.0.0.0', HostPort: '8080' },
        { HostIp: '::', HostPort: '8080' },
      ],
      '53/udp': [{ HostIp: '127.0.0.1', HostPort: '53' }],
      '99/tcp': null,
      odd: [{ HostIp: '', HostPort: '1' }],
    };
    const { published, exposed } = decodeContainer(inspected('default', { Ports }));
    expect(published).toEqual([
      { protocol: 'tcp', port: 80, hostIp: '0.0.0.0', hostPort: 8080 },
      { protocol: 'tcp', port: 80, hostIp: '::', hostPort: 8080 },
      { protocol: 'udp', port: 53, hostIp: '127.0.0.1', hostPort: 53 },
    ]);
    expect(exposed).toEqual(expect.arrayContaining(['80/tcp', '53/udp', '99/tcp']));
  });

  test('takes null for every list and map, as Docker writes the empty ones', () => {
    expect(decodeContainer(inspected('none', { Networks: null, Ports: null }))).toMatchObject({
      networkMode: 'none',
      attachments: [],
      published: [],
    });
  });
});
