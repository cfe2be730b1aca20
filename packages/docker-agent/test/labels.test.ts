import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { decodeFrontend, encodeFrontend } from '@clusterf/model';
import { assert, constantFrom, dictionary, oneof, property, string } from 'fast-check';
import { projectRoot } from '../../../test/lab/project.js';
import { BACKEND_FIELDS } from '../src/backend-labels.js';
import { FRONTEND_FIELDS } from '../src/frontend-labels.js';
import type { Labels } from '../src/label-settings.js';
import { isLabelled, requestedServices } from '../src/labels.js';

/** Backends asked for, without where each value comes from, and without what is as it is by default. */
function requestedBackends(labels: Labels) {
  const { services, problems } = requestedServices(labels);
  const backends = services.map(({ service, backend: { ports, weight, network, publish } }) => ({
    service,
    ...Object.fromEntries(Object.entries(ports).map(([protocol, port]) => [protocol, port.value])),
    weight: weight.value,
    ...(network === undefined ? {} : { network: network.value }),
    ...(publish.from === 'default' ? {} : { publish: publish.value }),
  }));
  return { backends, problems };
}

/** Labels under the first prefix. */
function short(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [`clusterf.${name}`, value]));
}

function long(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [`net.qmsk.clusterf.${name}`, value]));
}

describe.each([
  ['clusterf.', short],
  ['net.qmsk.clusterf.', long],
])('labels under %s', (_prefix, under) => {
  test.each<[string, Labels, readonly object[]]>([
    ['nothing without a service', { 'backend.tcp': '80' }, []],
    ['one service, one port', { service: 'web', 'backend.tcp': '80' }, [{ service: 'web', tcp: 80, weight: 10 }]],
    [
      'several services, separated by any white space, each once',
      { service: ' web\tdns\n web ', 'backend.tcp': '80' },
      [
        { service: 'web', tcp: 80, weight: 10 },
        { service: 'dns', tcp: 80, weight: 10 },
      ],
    ],
    [
      'all protocols at once',
      { service: 'dns', 'backend.tcp': '53', 'backend.udp': '53', 'backend.sctp': '54' },
      [{ service: 'dns', tcp: 53, udp: 53, sctp: 54, weight: 10 }],
    ],
    [
      'a service’s own port over the general one, and only there',
      { service: 'web admin', 'backend.tcp': '80', 'backend:admin.tcp': '8080', 'backend:admin.udp': '9' },
      [
        { service: 'web', tcp: 80, weight: 10 },
        { service: 'admin', tcp: 8080, udp: 9, weight: 10 },
      ],
    ],
    [
      'a service’s own weight and network over the general ones',
      {
        service: 'a b',
        'backend.tcp': '1',
        'backend.weight': '5',
        'backend:b.weight': '0',
        'backend.network': 'n',
        'backend:b.network': ' m ',
      },
      [
        { service: 'a', tcp: 1, weight: 5, network: 'n' },
        { service: 'b', tcp: 1, weight: 0, network: 'm' },
      ],
    ],
    [
      'a service whose name has dots and colons',
      { service: 'my.web:1', 'backend:my.web:1.tcp': '80' },
      [{ service: 'my.web:1', tcp: 80, weight: 10 }],
    ],
    [
      'the least and the greatest port',
      { service: 'w', 'backend.tcp': '1', 'backend.udp': '65535' },
      [{ service: 'w', tcp: 1, udp: 65_535, weight: 10 }],
    ],
    [
      'the greatest weight',
      { service: 'w', 'backend.tcp': '1', 'backend.weight': '65535' },
      [{ service: 'w', tcp: 1, weight: 65_535 }],
    ],
    ['white space around a number', { service: 'w', 'backend.tcp': ' 80 ' }, [{ service: 'w', tcp: 80, weight: 10 }]],
    [
      'a service’s own publish over the general one',
      { service: 'a b', 'backend.tcp': '1', 'backend.publish': 'true', 'backend:b.publish': ' false ' },
      [
        { service: 'a', tcp: 1, weight: 10, publish: true },
        { service: 'b', tcp: 1, weight: 10, publish: false },
      ],
    ],
    [
      'an empty network as none',
      { service: 'w', 'backend.tcp': '80', 'backend.network': '' },
      [{ service: 'w', tcp: 80, weight: 10 }],
    ],
  ])('%s', (_title, labels, backends) => {
    expect(requestedBackends(under(labels))).toEqual({ backends, problems: [] });
  });

  test.each(['http', '0', '70000', '-1', '80.5', '0x50', '', '1e3', '80/tcp'])(
    'port %j is a problem that names label, value and range; the rest goes on',
    (value) => {
      const labels = under({ service: 'web dns', 'backend:web.tcp': value, 'backend.udp': '53' });
      const { backends, problems } = requestedBackends(labels);
      expect(backends).toEqual([
        { service: 'web', udp: 53, weight: 10 },
        { service: 'dns', udp: 53, weight: 10 },
      ]);
      expect(problems).toEqual([
        {
          label: expect.stringContaining('clusterf.backend:web.tcp'),
          message: `${JSON.stringify(value)} is not a port: expected a whole number from 1 to 65535`,
        },
      ]);
    },
  );

  test('a bad port of one service does not fall back to the general port', () => {
    const labels = under({ service: 'web', 'backend.tcp': '80', 'backend:web.tcp': 'http' });
    expect(requestedBackends(labels).backends).toEqual([{ service: 'web', weight: 10 }]);
  });

  test.each(['99999', '-1', 'heavy', ''])('weight %j is a problem, and the next in line applies', (value) => {
    const labels = under({ service: 'a b', 'backend.tcp': '1', 'backend:a.weight': value, 'backend.weight': '7' });
    const { backends, problems } = requestedBackends(labels);
    expect(backends.map(({ weight }) => weight)).toEqual([7, 7]);
    expect(problems).toEqual([
      {
        label: expect.stringContaining('clusterf.backend:a.weight'),
        message: `${JSON.stringify(value)} is not a weight: expected a whole number from 0 to 65535`,
      },
    ]);
  });

  test.each(['yes', '1', 'TRUE', ''])('publish %j is neither yes nor no, and nobody guesses which', (value) => {
    const { backends, problems } = requestedBackends(
      under({ service: 'a', 'backend.tcp': '1', 'backend.publish': value }),
    );
    expect(backends).toEqual([{ service: 'a', tcp: 1, weight: 10, publish: undefined }]);
    expect(problems).toEqual([
      {
        label: expect.stringContaining('clusterf.backend.publish'),
        message: `${JSON.stringify(value)} is neither yes nor no: expected true or false`,
      },
    ]);
  });

  test('a bad general label is one problem, however many services there are', () => {
    const { backends, problems } = requestedBackends(under({ service: 'a b c', 'backend.weight': 'x' }));
    expect(backends.map(({ weight }) => weight)).toEqual([10, 10, 10]);
    expect(problems).toHaveLength(1);
  });

  test('a service with an impossible name is a problem, the others go on', () => {
    const { backends, problems } = requestedBackends(under({ service: 'a/b .. web', 'backend.tcp': '80' }));
    expect(backends).toEqual([{ service: 'web', tcp: 80, weight: 10 }]);
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('"a/b"'),
      expect.stringContaining('".."'),
    ]);
  });

  test.each([
    ['backend.tpc', 'unknown label'],
    ['backend:web.port', 'unknown label'],
    ['frontend.port', 'expected service or frontend[:<service>].{ipv4,'],
    ['frontend.persistence.timeout', 'unknown label'],
    ['frontend:other.tcp', '"other" is not named'],
    ['backends.tcp', 'unknown label'],
    ['srevice', 'unknown label'],
    ['backend:other.tcp', '"other" is not named'],
  ])('%s is reported as a slip of the pen', (name, message) => {
    const { problems } = requestedBackends(under({ service: 'web', 'backend.tcp': '80', [name]: '1' }));
    expect(problems).toEqual([{ label: expect.stringContaining(name), message: expect.stringContaining(message) }]);
  });
});

test('where both prefixes are set, label by label, clusterf. wins', () => {
  const labels = {
    ...long({ service: 'old', 'backend.tcp': '1', 'backend.udp': '2' }),
    ...short({ service: 'new', 'backend.tcp': '80' }),
  };
  expect(requestedBackends(labels).backends).toEqual([{ service: 'new', tcp: 80, udp: 2, weight: 10 }]);
});

test('a service’s own label of the old prefix beats a general one of the new', () => {
  const labels = { ...short({ service: 'web', 'backend.tcp': '80' }), ...long({ 'backend:web.tcp': '81' }) };
  expect(requestedBackends(labels).backends).toEqual([{ service: 'web', tcp: 81, weight: 10 }]);
});

test('a megabyte, as a value or a name, is a problem of a few lines, which says what was expected', () => {
  const megabyte = 'x'.repeat(1_000_000);
  const { problems } = requestedServices({
    'clusterf.service': `web ${megabyte}`,
    'clusterf.backend.tcp': megabyte,
    'clusterf.backend.weight': megabyte,
    'clusterf.backend.publish': megabyte,
    'clusterf.frontend.persistence': megabyte,
    'clusterf.frontend.scheduler': megabyte,
    [`clusterf.backend:y${megabyte}.tcp`]: '80',
    [`clusterf.${megabyte}`]: '80',
  });
  expect(problems).toHaveLength(9);
  for (const { label, message } of problems) expect(`${label}: ${message}`.length).toBeLessThan(1_000);
  expect(problems).toContainEqual({
    label: 'clusterf.backend.weight',
    message: `"${'x'.repeat(60)}…" is not a weight: expected a whole number from 0 to 65535`,
  });
});

test('other programs’ labels are none of our business', () => {
  const labels = {
    'traefik.enable': 'true',
    clusterf: 'x',
    'clusterfx.service': 'y',
    'com.docker.compose.service': 'z',
  };
  expect(isLabelled(labels)).toBe(false);
  expect(requestedBackends(labels)).toEqual({ backends: [], problems: [] });
});

test('every value says which label it comes from', () => {
  const labels = { ...short({ service: 'web', 'backend:web.tcp': '80' }), ...long({ 'backend.udp': '53' }) };
  expect(requestedServices(labels).services).toEqual([
    {
      service: 'web',
      backend: {
        service: 'web',
        ports: {
          tcp: { value: 80, from: 'clusterf.backend:web.tcp' },
          udp: { value: 53, from: 'net.qmsk.clusterf.backend.udp' },
        },
        weight: { value: 10, from: 'default' },
        publish: { value: false, from: 'default' },
      },
    },
  ]);
});

const anyLabel = constantFrom(
  'clusterf.service',
  ...['clusterf.', 'net.qmsk.clusterf.'].flatMap((prefix) =>
    [
      'backend.',
      'backend:a.',
      'backend:b.',
      'backend:.',
      'frontend.',
      'frontend:a.',
      'frontend:b.',
      '__proto__.',
    ].flatMap((side) =>
      ['tcp', 'udp', 'weight', 'network', 'publish', 'ipv4', 'fwmark', 'persistence', ''].map(
        (field) => prefix + side + field,
      ),
    ),
  ),
  'clusterf.',
  'clusterf.backend',
);
const anyValue = oneof(string(), constantFrom('80', '0', '99999', '10.107.0.1', 'fd00::1', 'true', '300/24', ' '));

test('whatever the labels say, nothing throws, and what comes out is in range', () => {
  assert(
    property(dictionary(anyLabel, anyValue), (labels) => {
      for (const { service, backend, frontend } of requestedServices({ 'clusterf.service': 'a b', ...labels })
        .services) {
        expect(service).toMatch(/^[^\s/]+$/);
        const { ports, weight } = backend;
        expect(weight.value).toBeGreaterThanOrEqual(0);
        expect(weight.value).toBeLessThanOrEqual(65_535);
        for (const port of Object.values(ports)) expect(port.value >= 1 && port.value <= 65_535).toBe(true);
        // What a label publishes, the tree would read the same.
        const published = frontend === undefined ? [] : [frontend.frontend];
        expect(published.map((each) => decodeFrontend(encodeFrontend(each)))).toEqual(
          published.map((each) => ({ ok: true, value: each, unknown: {}, warnings: [] })),
        );
      }
    }),
  );
});

test('docs/labels.md names every label', async () => {
  const documented = await readFile(join(projectRoot(), 'docs', 'labels.md'), 'utf8');
  for (const [side, fields] of Object.entries({ backend: BACKEND_FIELDS, frontend: FRONTEND_FIELDS })) {
    const rows = documented.split('\n').filter((line) => line.startsWith(`| \`clusterf.${side}[:<service>].`));
    const named = rows.flatMap((row) =>
      [...(row.split(' | ')[0] ?? '').matchAll(/\.([A-Za-z0-9]+)`/g)].map(([, name]) => name),
    );
    expect(named.toSorted()).toEqual(fields.toSorted());
  }
});
