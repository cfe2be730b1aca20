import { expect, test } from '@jest/globals';
import type { StoredEntry } from '@clusterf/store';
import { changesOf, propose } from '../../src/tree/proposal.js';
import { stepLine } from '../../src/tree/write-steps.js';

const WEB = '{"ipv4":"10.0.0.1","tcp":80}';

function reading(entries: Readonly<Record<string, string | StoredEntry>>) {
  return new Map(
    Object.entries(entries).map(([path, entry]) => [path, typeof entry === 'string' ? { value: entry } : entry]),
  );
}

/** What is said of putting (or, undefined, removing) these where those are. */
function said(
  wanted: Readonly<Record<string, string | undefined>>,
  there: Readonly<Record<string, string | StoredEntry>> = {},
) {
  const { steps, findings } = propose(new Map(Object.entries(wanted)), reading(there));
  return {
    steps: steps.map(stepLine),
    findings: findings.map(({ level, path, message }) => `${level} ${path} ${message}`),
  };
}

test('what is not there is created, what differs is changed and says how, what is the same in other words is unchanged', () => {
  const { steps, findings } = said(
    {
      'services/a/frontend': WEB,
      'services/b/frontend': '{"ipv4":"10.0.0.2","tcp":8080}',
      'services/c/frontend': '{"TCP":80,"ipv4":"10.0.0.3"}',
      'routes/gone': undefined,
      'routes/never': undefined,
    },
    {
      'services/b/frontend': '{"ipv4":"10.0.0.2","tcp":80,"udp":53}',
      'services/c/frontend': '{ "ipv4": "10.0.0.3", "tcp": 80 }\n',
      'routes/gone': '{}',
    },
  );
  expect(findings).toEqual([]);
  expect(steps).toEqual([
    'created services/a/frontend',
    'changed services/b/frontend: tcp 80 → 8080, udp 53 → none',
    'unchanged services/c/frontend',
    'removed routes/gone',
  ]);
});

test('a value is written in its one way, with what nobody here knows', () => {
  const { steps } = propose(
    new Map([['services/web/backends/a', '{"later":1,"TCP":80,"ipv4":"10.0.0.2"}']]),
    new Map(),
  );
  expect(steps[0]?.after).toBe('{"ipv4":"10.0.0.2","tcp":80,"weight":10,"later":1}');
});

test.each([
  [
    'a port that is none',
    'services/web/frontend',
    '{"ipv4":"10.0.0.1","tcp":99999}',
    'error services/web/frontend tcp is 99999; expected a port, a whole number from 1 to 65535',
  ],
  [
    'a value that is no object',
    'services/web/frontend',
    '5',
    'error services/web/frontend the value is "5"; expected a JSON object',
  ],
  [
    'a field nobody knows',
    'services/web/frontend',
    '{"ipv4":"10.0.0.1","tcp":80,"tpc":81}',
    'error services/web/frontend unknown field "tpc": agents of this version ignore it',
  ],
  [
    'a port 0, which the Go program took for none',
    'services/web/frontend',
    '{"ipv4":"10.0.0.1","tcp":80,"udp":0}',
    'error services/web/frontend udp is 0; expected',
  ],
  [
    'a key that is not read',
    'services/web/front',
    '{}',
    'error services/web/front not a key that is read; expected services/<service>/frontend or',
  ],
  [
    'a key of nobody',
    'foo/bar',
    '{}',
    'error foo/bar not a key that is read; expected one below services, routes, sync, balancers, drain',
  ],
  [
    'a service that publishes nothing',
    'services/web/frontend',
    '{"ipv4":"10.0.0.1"}',
    'error services/web/frontend publishes nothing: expected an address',
  ],
  ["an agent's status", 'hosts/docker1/status', '{}', 'error hosts/docker1/status is what an agent says of itself'],
])('%s speaks against it', (_, path, text, finding) => {
  expect(said({ [path]: text }).findings).toEqual([expect.stringContaining(finding)]);
});

test('two services that claim one address speak against the second', () => {
  const there = { 'services/a/frontend': WEB };
  expect(said({ 'services/b/frontend': WEB }, there).findings).toEqual([
    'error services/b/frontend tcp 10.0.0.1:80 is already service a’s: not published'.replace('’', "'"),
  ]);
});

test('a service that would take the address of another speaks against it, by what becomes of that one', () => {
  expect(said({ 'services/a/frontend': WEB }, { 'services/b/frontend': WEB }).findings).toEqual([
    "error services/b/frontend then: tcp 10.0.0.1:80 is already service a's: not published",
  ]);
});

test('what is wrong already speaks against nothing', () => {
  const there = { 'services/a/frontend': WEB, 'services/b/frontend': WEB, 'services/c/frontend': 'nonsense' };
  expect(
    said({ 'services/d/frontend': '{"ipv4":"10.0.0.4","tcp":80}', 'services/b/frontend': WEB }, there).findings,
  ).toEqual([]);
});

test('a route that leaves backends out does what it is for', () => {
  const there = { 'services/a/frontend': WEB, 'services/a/backends/x': '{"ipv4":"10.9.0.1","tcp":80}' };
  expect(said({ 'routes/not-here': '{"Prefix":"10.9.0.0/16"}' }, there).findings).toEqual([]);
});

test('what an agent keeps would be put back', () => {
  const there = { 'services/web/backends/a': { value: '{"ipv4":"10.0.0.2","tcp":80,"weight":10}', lease: '7' } };
  expect(said({ 'services/web/backends/a': '{"ipv4":"10.0.0.2","tcp":80,"weight":0}' }, there).findings).toEqual([
    'error services/web/backends/a is kept by an agent, which puts it back as it was within seconds; expected an entry without a lease',
  ]);
  expect(said({ 'services/web/backends/a': '{"ipv4":"10.0.0.2","tcp":80}' }, there)).toEqual({
    steps: ['unchanged services/web/backends/a'],
    findings: [],
  });
});

test('services are published after their backends came, and before those of others go', () => {
  const { steps } = propose(
    new Map([
      ['services/a/frontend', WEB],
      ['services/b/backends/x', undefined],
      ['services/b/frontend', undefined],
      ['services/a/backends/x', '{"ipv4":"10.0.0.2","tcp":80}'],
    ]),
    reading({ 'services/b/backends/x': '{}', 'services/b/frontend': '{}' }),
  );
  expect([...changesOf(steps).keys()]).toEqual([
    'services/a/backends/x',
    'services/a/frontend',
    'services/b/frontend',
    'services/b/backends/x',
  ]);
});

test('a scheduler that Linux has not is told of, and written: a kernel may have it', () => {
  expect(said({ 'services/a/frontend': '{"ipv4":"10.0.0.1","tcp":80,"scheduler":"wlcc"}' }).findings).toEqual([
    expect.stringMatching(
      /^warning services\/a\/frontend scheduler "wlcc" is none that Linux has; expected one of rr, wrr, .*, twos: /,
    ),
  ]);
  expect(said({ 'services/a/frontend': '{"ipv4":"10.0.0.1","tcp":80,"scheduler":"twos"}' }).findings).toEqual([]);
});
