import { expect, test } from '@jest/globals';
import { ConfigTree } from '@clusterf/model';
import { configAsJson, configAsText } from '../src/config-output.js';

function config(entries: Readonly<Record<string, string>>) {
  const tree = new ConfigTree(['file:///tree']);
  tree.apply(0, { type: 'snapshot', entries: new Map(Object.entries(entries)) });
  return tree.config;
}

/** The Go program's own test tree, and what came after it. */
const TREE = config({
  'services/test/frontend': '{"ipv4": "127.0.0.1", "tcp": 8080, "scheduler": "sh"}',
  'services/test/backends/test2': '{"ipv4": "127.0.0.1", "tcp": 8082, "weight": 0}',
  'services/test/backends/test1': '{"ipv4": "127.0.0.1", "tcp": 8081}',
  'services/bare/backends/a': '{"ipv6": "2001:db8::1", "udp": 53, "container": "a\\tb"}',
  'routes/test1': '{"Prefix": "127.0.0.0/8", "IPVSMethod": "masq"}',
  'routes/test2': '{"Prefix": "10.0.0.0/8", "Gateway": "10.1.0.1", "IPVSMethod": "droute", "Priority": 3}',
  'routes/none': '{}',
  sync: '{"interface": "eth0"}',
});

test('text is as the Go program printed it, sorted, with what is new behind', () => {
  expect(configAsText(TREE)).toBe(`Routes:
	none: none default
	test1: masq 127.0.0.0/8
	test2: droute 10.0.0.0/8 gateway 10.1.0.1 priority 3
Services:
	bare:
		a: ipv6=2001:db8::1 udp=53 weight=10 container=a\\u0009b
	test: ipv4=127.0.0.1 tcp=8080 scheduler=sh
		test1: ipv4=127.0.0.1 tcp=8081 weight=10
		test2: ipv4=127.0.0.1 tcp=8082 weight=0
Sync: interface=eth0 syncId=0 role=both
`);
});

test('JSON has the Go program’s names, and the fields that it always wrote', () => {
  const json = configAsJson(TREE);
  expect(json.endsWith('}\n')).toBe(true);
  expect(JSON.parse(json)).toEqual({
    Routes: {
      none: { Prefix: '', Gateway: '', IPVSMethod: '' },
      test1: { Prefix: '127.0.0.0/8', Gateway: '', IPVSMethod: 'masq' },
      test2: { Prefix: '10.0.0.0/8', Gateway: '10.1.0.1', IPVSMethod: 'droute', Priority: 3 },
    },
    Services: {
      bare: { Frontend: null, Backends: { a: { ipv6: '2001:db8::1', udp: 53, weight: 10, container: 'a\tb' } } },
      test: {
        Frontend: { ipv4: '127.0.0.1', tcp: 8080, scheduler: 'sh' },
        Backends: {
          test1: { ipv4: '127.0.0.1', tcp: 8081, weight: 10 },
          test2: { ipv4: '127.0.0.1', tcp: 8082, weight: 0 },
        },
      },
    },
    Sync: { interface: 'eth0', syncId: 0, role: 'both' },
  });
});

test('an empty configuration is one', () => {
  expect(configAsText(config({}))).toBe('Routes:\nServices:\n');
  expect(JSON.parse(configAsJson(config({})))).toEqual({ Routes: {}, Services: {} });
});
