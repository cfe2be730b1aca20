import { describe, expect, test } from '@jest/globals';
import { array, assert, constantFrom, dictionary, oneof, property, record, string } from 'fast-check';
import { parseAllowedFrontend } from '../src/allowed-frontends.js';
import type { ContainerState } from '../src/container.js';
import { explain } from '../src/explain.js';
import { explanationText } from '../src/explain-text.js';
import { registrations } from '../src/registrations.js';
import { container, OPTIONS } from './observer.js';

const range = parseAllowedFrontend('10.107.0.0/16');
const options = { ...OPTIONS, allowFrontend: range.ok ? [range.value] : [] };

function view(containers: readonly ContainerState[], draining: readonly string[] = []) {
  return { containers, others: [], draining: new Set(draining), networks: [] };
}

function text(overrides: Partial<ContainerState>, others: readonly ContainerState[] = []): string {
  const asked = container({ id: 'c1', ...overrides });
  const explanation = explain(asked.id, view([asked, ...others]), options);
  return explanation === undefined ? '' : explanationText(explanation);
}

describe('for a person to read', () => {
  test('a backend, its frontend, and where everything comes from', () => {
    const labels = {
      'clusterf.service': 'web admin',
      'clusterf.backend.tcp': '8080',
      'clusterf.backend:admin.tcp': 'http',
      'clusterf.backend:web.weight': '5',
      'clusterf.frontend:web.ipv4': '10.107.107.107',
      'clusterf.frontend:web.tcp': '80',
      'net.qmsk.clusterf.backend:web.network': 'front',
    };
    const attachments = [
      { network: 'front', ipv4: '172.18.0.2' },
      { network: 'back', ipv4: '172.19.0.2' },
    ];
    expect(text({ labels, attachments, health: 'starting' })).toBe(`web-1 (c1)

web: backend {"ipv4":"172.18.0.2","tcp":8080,"weight":0,"host":"host1","container":"web-1"}
  in the tree: services/web/backends/c1
  state    running     Docker
  health   starting    its HEALTHCHECK
  weight   0           while starting; otherwise 5 by clusterf.backend:web.weight
  tcp      8080        clusterf.backend.tcp
  network  front       net.qmsk.clusterf.backend:web.network
  ipv4     172.18.0.2  network front
web: frontend {"ipv4":"10.107.107.107","tcp":80}
  in the tree: services/web/frontend
  frontend ipv4  10.107.107.107  clusterf.frontend:web.ipv4
  frontend tcp   80              clusterf.frontend:web.tcp

admin: no backend: no usable port; expected a label such as clusterf.backend.tcp
  state   running   Docker
  health  starting  its HEALTHCHECK
  weight  0         while starting; otherwise 10 by default

labels that cannot be read:
  ! clusterf.backend:admin.tcp: "http" is not a port: expected a whole number from 1 to 65535
`);
  });

  test.each<[string, Partial<ContainerState>, string]>([
    ['one without our labels', { labels: {} }, 'no backend: no service is named; expected a label clusterf.service'],
    ['one that has ended', { status: 'exited' }, 'web: no backend: the container is exited; only what is running'],
    ['one without an address', { attachments: [] }, 'web: no backend: the container has no address'],
    [
      'one that only a warning is about',
      {
        attachments: [
          { network: 'b', ipv4: '10.0.0.1' },
          { network: 'a', ipv4: '10.0.0.2' },
        ],
      },
      '  ! backend.network: registered on a, the first by name',
    ],
    [
      'a frontend that is not allowed',
      { labels: { 'clusterf.service': 'web', 'clusterf.frontend.ipv4': '1.2.3.4', 'clusterf.frontend.tcp': '80' } },
      'web: no frontend: the frontend is not published, since 1.2.3.4:80/tcp is outside',
    ],
    [
      'a value that would move a terminal’s cursor',
      { labels: { 'clusterf.service': 'web', 'clusterf.backend.tcp': '80', 'clusterf.backend.network': 'a\u001b[2J' } },
      'has no address on "a\\u001b[2J"',
    ],
  ])('%s', (_title, overrides, expected) => {
    const said = text(overrides);
    expect(said).toContain(expected);
    expect(said).not.toContain('\u001b');
  });

  test('that another container has its way with the frontend', () => {
    const frontend = { 'clusterf.service': 'web', 'clusterf.frontend.tcp': '80' };
    const other = container({
      id: 'c0',
      name: 'first',
      createdAt: 1,
      labels: { ...frontend, 'clusterf.frontend.ipv4': '10.107.0.1' },
    });
    expect(text({ labels: { ...frontend, 'clusterf.frontend.ipv4': '10.107.0.2' } }, [other])).toContain(
      'web: no frontend: the frontend is {"ipv4":"10.107.0.1","tcp":80}, which first asks for and was created first',
    );
  });
});

test('a container that is not known is not explained', () => {
  expect(explain('c1', view([]), options)).toBeUndefined();
});

const FIELDS = ['tcp', 'udp', 'weight', 'network', 'publish'];
const value = oneof(string(), constantFrom('80', '0', '99999', 'bridge', 'true', '10.107.0.1', '300/24'));

/** Labels for one service alone, good and bad. */
function own(service: string) {
  return dictionary(
    constantFrom(
      ...FIELDS.map((field) => `clusterf.backend:${service}.${field}`),
      ...['ipv4', 'tcp', 'scheduler', 'persistence', 'fwmark'].map((field) => `clusterf.frontend:${service}.${field}`),
      `clusterf.backend:${service}.nonsense`,
    ),
    value,
  );
}

test('whatever the labels of one service say, another service comes out the same', () => {
  assert(
    property(own('a'), own('a'), own('b'), (first, second, others) => {
      const outcome = (labels: Record<string, string>) => {
        const asked = container({ labels: { 'clusterf.service': 'a b', ...labels, ...others } });
        return explain(asked.id, view([asked]), options)?.services[1];
      };
      expect(outcome(first)).toEqual(outcome(second));
    }),
  );
});

/** What a good container registers; the frontend they share is the good one's, who was created first. */
function registeredBeside(labels: Record<string, string>) {
  const bad = container({ id: 'bad', createdAt: 2_000, labels: { 'clusterf.service': 'web', ...labels } });
  const good = container({
    labels: {
      'clusterf.service': 'web',
      'clusterf.backend.tcp': '80',
      'clusterf.frontend.ipv4': '10.107.0.1',
      'clusterf.frontend.tcp': '80',
    },
  });
  const { entries, shared } = registrations(view([bad, good]), options);
  return [entries.get(`services/web/backends/${good.id}`), shared.get('services/web/frontend')];
}

test('whatever the labels of one container say, what another registers is the same', () => {
  assert(
    property(own('web'), own('web'), (first, second) => {
      expect(registeredBeside(first)).toEqual(registeredBeside(second));
    }),
  );
});

test('what is explained is what is registered', () => {
  const one = record({
    labels: own('web'),
    status: constantFrom('running', 'paused', 'exited'),
    health: constantFrom('none', 'starting'),
  });
  assert(
    property(array(one, { maxLength: 4 }), (states) => {
      const containers = states.map(({ labels, ...state }, index) =>
        container({
          ...state,
          id: `c${index}`,
          labels: { 'clusterf.service': 'web', 'clusterf.backend.tcp': '80', ...labels },
        }),
      );
      const { entries, shared } = registrations(view(containers), options);
      for (const { id } of containers) {
        const explained = explain(id, view(containers), options)?.services[0];
        expect(explained?.backend.value).toBe(entries.get(`services/web/backends/${id}`));
        const frontend = explained?.frontend?.value ?? shared.get('services/web/frontend');
        expect(frontend).toBe(shared.get('services/web/frontend'));
      }
    }),
  );
});
