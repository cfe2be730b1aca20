import { expect, test } from '@jest/globals';
import { findings } from '../../src/status/findings.js';
import { overview } from '../../src/status/overview.js';
import { overviewText } from '../../src/status/text.js';
import { HOST, LB, reading, WEB } from './reading.js';

test('an overview is three tables, and below them in words what is wrong', () => {
  const view = overview(
    reading({
      ...WEB,
      'services/web/backends/b': { ipv4: '172.17.0.3', tcp: 80, host: 'h2', weight: 20 },
      'services/mail/frontend': { ipv4: '10.0.0.2', tcp: 25, udp: 25 },
      'drain/hosts/h2': { reason: 'a new disk' },
      'balancers/lb1/status': LB,
      'hosts/h1/status': HOST,
      'hosts/h2/status': { ...HOST, containers: 3 },
    }),
  );
  expect(overviewText(view, findings(view))).toBe(
    [
      'etcd+http://127.0.0.1:2379/clusterf: 2 services, 2 backends, 0 routes',
      '',
      'BALANCER  STATE  LEASE  VERSION  VIRTUAL SERVICES  DESTINATIONS  TREE     PROBLEMS  HELD  DRAINING  FOREIGN',
      'lb1       up     8s     0.1.0    1                 1             current  0         0     0         0',
      '',
      'DOCKER HOST  STATE        LEASE  VERSION  CONTAINERS  BACKENDS  PROBLEMS',
      'h1           up           8s     0.1.0    1           1         0',
      'h2           up, drained  8s     0.1.0    3           1         0',
      '',
      'SERVICE  PUBLISHED AT                      SCHEDULER  BACKENDS       TAKING  WEIGHT',
      'mail     tcp 10.0.0.2:25, udp 10.0.0.2:25  -          0              0       0',
      'web      tcp 10.0.0.1:80                   rr         2 (1 drained)  1       10',
      '',
      '! service mail: it has no backends: connections to it are refused',
      '',
    ].join('\n'),
  );
});

test('a tree without agents shows its services', () => {
  const view = overview({ ...reading(WEB), url: 'file:///etc/clusterf' });
  expect(overviewText(view, [])).toContain('web');
});
