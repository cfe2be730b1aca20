import { describe, expect, test } from '@jest/globals';
import { importEtcd2 } from '../../src/import/etcd2.js';

const CONTAINER = '4c1f'.repeat(16);

function imported(text: string, options: { prefix?: string; registered?: boolean } = {}) {
  const { entries, remarks } = importEtcd2(text, { file: 'dump', prefix: '/clusterf', registered: false, ...options });
  return {
    entries: Object.fromEntries(entries),
    lost: remarks.filter(({ kind }) => kind === 'lost').map(({ at, why }) => `${at}: ${why}`),
    left: remarks.filter(({ kind }) => kind === 'left').map(({ at, why }) => `${at}: ${why}`),
  };
}

/** The answer of etcd's v2 API. */
const ANSWER = JSON.stringify({
  action: 'get',
  node: {
    key: '/clusterf',
    dir: true,
    nodes: [
      {
        key: '/clusterf/services',
        dir: true,
        nodes: [
          {
            key: '/clusterf/services/web',
            dir: true,
            nodes: [
              { key: '/clusterf/services/web/frontend', value: '{"ipv4":"10.0.0.1","tcp":80}', modifiedIndex: 7 },
              {
                key: '/clusterf/services/web/backends',
                dir: true,
                nodes: [
                  { key: '/clusterf/services/web/backends/static', value: '{"IPv4":"10.1.0.5","TCP":80}' },
                  { key: '/clusterf/services/web/backends/passing', value: '{"ipv4":"10.1.0.6","tcp":80}', ttl: 30 },
                  {
                    key: `/clusterf/services/web/backends/${CONTAINER}`,
                    value: '{"ipv4":"172.17.0.2","tcp":8080}',
                    ttl: 9,
                    expiration: '2016-05-01T00:00:00Z',
                  },
                ],
              },
            ],
          },
        ],
      },
      {
        key: '/clusterf/routes',
        dir: true,
        nodes: [{ key: '/clusterf/routes/host1', value: '{"Prefix":"172.17.0.0/16","IPVSMethod":"droute"}' }],
      },
    ],
  },
});

describe('the Go program’s tree', () => {
  test('as etcd answers is copied as it is, but for what docker-agents keep', () => {
    const { entries, lost, left } = imported(ANSWER);
    expect(entries).toEqual({
      'services/web/frontend': '{"ipv4":"10.0.0.1","tcp":80}',
      'services/web/backends/static': '{"IPv4":"10.1.0.5","TCP":80}',
      'routes/host1': '{"Prefix":"172.17.0.0/16","IPVSMethod":"droute"}',
    });
    expect(lost).toEqual([]);
    expect(left).toEqual([
      expect.stringMatching(/passing: a docker-agent registered it/),
      expect.stringMatching(/4c1f: a docker-agent registered it/),
    ]);
  });

  test('is copied with what docker-agents keep, if that is asked for', () => {
    expect(Object.keys(imported(ANSWER, { registered: true }).entries)).toContain(`services/web/backends/${CONTAINER}`);
  });

  test('as etcdctl prints it, key and value by turns, is the same', () => {
    const lines = [
      '/clusterf/services/',
      '/clusterf/services/web',
      '/clusterf/services/web/frontend',
      '{"ipv4":"10.0.0.1","tcp":80}',
      '/clusterf/services/web/backends/static {"IPv4":"10.1.0.5","TCP":80}',
      `/clusterf/services/web/backends/${CONTAINER}`,
      '{"ipv4":"172.17.0.2","tcp":8080}',
      '/clusterf/services/web/backends/pretty',
      '{',
      '  "ipv4": "10.1.0.6"',
      '}',
      '/clusterf/services/empty/frontend',
      '/clusterf/routes/host1',
      '{"Prefix":"172.17.0.0/16","IPVSMethod":"droute"}',
    ];
    const { entries, lost, left } = imported(`${lines.join('\n')}\n`);
    expect(entries).toEqual({
      'services/web/frontend': '{"ipv4":"10.0.0.1","tcp":80}',
      'services/web/backends/static': '{"IPv4":"10.1.0.5","TCP":80}',
      'services/web/backends/pretty': '{\n  "ipv4": "10.1.0.6"\n}',
      'services/empty/frontend': '{}',
      'routes/host1': '{"Prefix":"172.17.0.0/16","IPVSMethod":"droute"}',
    });
    expect(lost).toEqual([]);
    expect(left).toHaveLength(1);
  });

  test('is taken from below the prefix it was kept under', () => {
    const text = '/old/tree/services/web/frontend\n{"ipv4":"10.0.0.1","tcp":80}\n/other/key\nx\n';
    const { entries, left } = imported(text, { prefix: 'old/tree/' });
    expect(Object.keys(entries)).toEqual(['services/web/frontend']);
    expect(left).toEqual([expect.stringMatching(/^\/other\/key: it is not below \/old\/tree\//)]);
  });

  test('with entries that no agent takes is copied without them, and it is said', () => {
    const { entries, lost } = imported(
      '/clusterf/services/web/frontend\n{"ipv4":"10.0.0.300","tcp":80}\n/clusterf/services/db/frontend\nnonsense\n',
    );
    expect(entries).toEqual({});
    expect(lost).toEqual([
      expect.stringMatching(/db\/frontend: .*JSON object/),
      expect.stringMatching(/10\.0\.0\.300/),
    ]);
  });

  test.each([
    ['{"errorCode":100}', /expected the answer to GET/],
    ['{"node":', /begins as JSON and is none/],
    ['hello', /expected a key such as/],
  ])('%s is none', (text, why) => {
    const { entries, lost } = imported(text);
    expect(entries).toEqual({});
    expect(lost).toEqual([expect.stringMatching(why)]);
  });
});
