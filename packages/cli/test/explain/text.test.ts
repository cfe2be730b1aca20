import { describe, expect, test } from '@jest/globals';
import { treeSideText } from '../../src/explain/text.js';
import { findBackend, treeSide, treeView } from '../../src/explain/tree-side.js';

const A = { ipv4: '172.17.0.2', tcp: 8080, weight: 10, host: 'h1', container: 'web-1' };
const TREE = {
  'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80, udp: 53 },
  'services/web/backends/a': A,
  'hosts/h1/status': {},
};
const VALUE = JSON.stringify(A);

function view(entries: Readonly<Record<string, unknown>>) {
  const reading = Object.entries(entries).map(([path, value]): [string, { value: string; lease: string }] => [
    path,
    { value: JSON.stringify(value), lease: '7' },
  ]);
  return treeView('etcd:', new Map(reading), new Map([['7', { granted: 10, remaining: 8 }]]), 'masq');
}

/** @param wanted absent = nobody has said */
function said(entries: Readonly<Record<string, unknown>>, wanted?: { readonly value: string | undefined }): string[] {
  return treeSideText(treeSide(view(entries), 'web', 'a', 'h1'), wanted)
    .trimEnd()
    .split('\n');
}

const PLACES = [
  "  tcp 10.0.0.1:80  -> 172.17.0.2:8080  masq  weight 10  no route leads there: the balancer's own method",
  '  udp 10.0.0.1:53  left out: it has no udp port',
];

describe('a backend of a container', () => {
  test('is registered as it should be', () => {
    expect(said(TREE, { value: VALUE })).toEqual([
      'web: registered as it should be; its lease has 8 s left',
      ...PLACES,
    ]);
  });

  test('is registered otherwise', () => {
    expect(said(TREE, { value: '{}' })).toEqual([
      'web: registered, and it should be otherwise; its lease has 8 s left',
      `  ${VALUE}`,
      '  the docker-agent of h1 runs with other options than are given here, or is a moment behind',
      ...PLACES,
    ]);
  });

  test('is registered, and should not be', () => {
    expect(said(TREE, { value: undefined })[0]).toBe('web: registered, and it should not be; its lease has 8 s left');
  });

  test('is not registered, though somebody is there to do it', () => {
    const { 'services/web/frontend': frontend, 'hosts/h1/status': host } = TREE;
    expect(said({ 'services/web/frontend': frontend, 'hosts/h1/status': host }, { value: VALUE })).toEqual([
      'web: not registered, and it should be',
      '  the docker-agent of h1 runs with other options than are given here, or is a moment behind',
      '  or etcd refuses it: the log of the docker-agent and its /status say so',
    ]);
  });

  test('is not registered, since nobody does it', () => {
    expect(said({ 'services/web/frontend': TREE['services/web/frontend'] }, { value: VALUE })).toEqual([
      'web: not registered, and it should be',
      '  the docker-agent of h1 is not in the tree: look whether it runs',
    ]);
  });

  test('is not registered, and rightly so', () => {
    const { 'services/web/backends/a': _, ...rest } = TREE;
    expect(said(rest, { value: undefined })).toEqual(['web: not registered, and it should not be']);
  });
});

describe('a backend of any host', () => {
  test('is told of with its value, and why it takes nothing', () => {
    const { 'services/web/frontend': _, ...rest } = TREE;
    expect(said(rest)).toEqual([
      'web: registered; its lease has 8 s left',
      `  ${VALUE}`,
      '  service web has no frontend: it is not published',
    ]);
  });

  test('that is drained says by what', () => {
    expect(said({ ...TREE, 'drain/hosts/h1': {} }).slice(2)).toEqual([
      '  drained (host h1): it takes no new connections until it is undrained',
      "  tcp 10.0.0.1:80  -> 172.17.0.2:8080  masq  weight 0  no route leads there: the balancer's own method",
      '  udp 10.0.0.1:53  left out: it has no udp port',
    ]);
  });
});

describe('a backend is found', () => {
  const many = view({
    ...TREE,
    'services/web/backends/c0ffee1': { container: 'web-2' },
    'services/web/backends/c0ffee2': { container: 'web-3' },
  });

  test.each([
    ['a', 'a'],
    ['c0ffee1', 'c0ffee1'],
    ['web-3', 'c0ffee2'],
  ])('as %s', (text, name) => {
    expect(findBackend(many, 'web', text)).toBe(name);
  });

  test('only if there is one, and only one', () => {
    expect(() => findBackend(many, 'web', 'c0ffee')).toThrow(
      'service web has several backends "c0ffee" may mean: c0ffee1, c0ffee2',
    );
    expect(() => findBackend(many, 'web', 'x')).toThrow(
      'service web has no backend "x" in etcd:; there are a, c0ffee1, c0ffee2',
    );
    expect(() => findBackend(many, 'mail', 'x')).toThrow('there is no service "mail" in etcd:; there is web');
  });
});
