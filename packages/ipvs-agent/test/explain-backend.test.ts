import { describe, expect, test } from '@jest/globals';
import { ConfigTree } from '@clusterf/model';
import { type BackendPlace, explainBackend } from '../src/explain-backend.js';
import type { PlanOptions } from '../src/plan.js';

const OPTIONS: PlanOptions = { method: 'masq', scheduler: 'wlc', elide: false };
const WEB = {
  'services/web/frontend': { ipv4: '10.0.0.1', tcp: 80 },
  'services/web/backends/a': { ipv4: '172.17.0.2', tcp: 8080, host: 'h1' },
};

function explained(entries: Readonly<Record<string, unknown>>, options: Partial<PlanOptions> = {}) {
  const tree = new ConfigTree(['memory:']);
  const texts = Object.entries(entries).map(([key, value]) => [key, JSON.stringify(value)] as const);
  tree.apply(0, { type: 'snapshot', entries: new Map(texts) });
  return explainBackend('web', 'a', tree.config, { ...OPTIONS, ...options });
}

/** In a few words each. */
function said(entries: Readonly<Record<string, unknown>>, options: Partial<PlanOptions> = {}): readonly string[] {
  return (explained({ ...WEB, ...entries }, options)?.places ?? []).map(inWords);
}

function inWords({ virtualService, destination, refusal }: BackendPlace): string {
  if (destination === undefined) return `${virtualService}: ${refusal}`;
  const { at, method, weight, route, methodFrom, sharedWith, sharedWeight } = destination;
  const shared = sharedWith.length > 0 ? ` with ${sharedWith.join()} ${sharedWeight}` : '';
  return `${virtualService}: ${at} ${method} ${weight}${shared} by ${route ?? methodFrom}`;
}

describe('where packets to a backend go', () => {
  test('without a route to the backend itself, by the frontend’s method or the balancer’s', () => {
    expect(said({})).toEqual(['tcp 10.0.0.1:80: 172.17.0.2:8080 masq 10 by default']);
    const frontend = { ...WEB['services/web/frontend'], method: 'tunnel' };
    expect(said({ 'services/web/frontend': frontend })).toEqual([
      'tcp 10.0.0.1:80: 172.17.0.2:8080 tunnel 10 by frontend',
    ]);
    expect(said({}, { method: 'droute' })).toEqual(['tcp 10.0.0.1:80: 172.17.0.2:8080 droute 10 by default']);
  });

  test('with a route to its gateway', () => {
    const route = { Prefix: '172.17.0.0/16', Gateway: '192.0.2.1', IPVSMethod: 'droute' };
    expect(said({ 'routes/r': route })).toEqual(['tcp 10.0.0.1:80: 192.0.2.1:80 droute 10 by r']);
  });

  test('to where other backends end too, and what all of them weigh', () => {
    const other = { ipv4: '172.17.0.2', tcp: 8080, weight: 5 };
    expect(said({ 'services/web/backends/b': other })).toEqual([
      'tcp 10.0.0.1:80: 172.17.0.2:8080 masq 10 with b 15 by default',
    ]);
  });

  test('drained, at weight 0', () => {
    const plan = explained({ ...WEB, 'drain/hosts/h1': {}, 'drain/backends/web/a': {} });
    expect(plan?.drains).toEqual(['host h1', 'backend web/a']);
    expect(plan?.places.map(inWords)).toEqual(['tcp 10.0.0.1:80: 172.17.0.2:8080 masq 0 by default']);
  });
});

describe('why they go nowhere', () => {
  test.each<[string, Readonly<Record<string, unknown>>, Partial<PlanOptions>, string]>([
    [
      'a protocol it does not speak',
      { 'services/web/frontend': { ipv4: '10.0.0.1', udp: 80 } },
      {},
      'udp 10.0.0.1:80: it has no udp port',
    ],
    [
      'a family it has no address of',
      { 'services/web/frontend': { ipv6: '2001:db8::1', tcp: 80 } },
      {},
      'tcp [2001:db8::1]:80: it has no ipv6 address',
    ],
    [
      'a route without a method',
      { 'routes/r': { Prefix: '172.16.0.0/12' } },
      {},
      'tcp 10.0.0.1:80: route r (172.16.0.0/12) has no IPVSMethod: it leaves out what is under it',
    ],
    [
      'a gateway of another family',
      { 'routes/r': { Gateway: '2001:db8::1', IPVSMethod: 'masq' } },
      {},
      'tcp 10.0.0.1:80: route r: gateway 2001:db8::1 is ipv6: the kernel takes another family only by tunnel, not masq: left out',
    ],
    [
      'another service that has the virtual service',
      { 'services/a/frontend': WEB['services/web/frontend'] },
      {},
      "tcp 10.0.0.1:80: it is service a's, whose name is smaller",
    ],
    [
      'a balancer of another host',
      {},
      { onlyHost: 'h2' },
      'tcp 10.0.0.1:80: it is of host h1, and this balancer takes only those of h2 (--only-host)',
    ],
  ])('%s', (_, entries, options, expected) => {
    expect(said(entries, options)).toEqual([expected]);
  });

  test('an address that nobody can send to, in the words of the plan', () => {
    expect(said({ 'services/web/backends/a': { ipv4: '224.0.0.1', tcp: 80 } })).toEqual([
      'tcp 10.0.0.1:80: 224.0.0.1 is a multicast address, which the kernel takes for no destination: left out',
    ]);
  });

  test('a service that publishes nothing has no place for it, and its problems say why', () => {
    const plan = explained({ ...WEB, 'services/web/frontend': { ipv4: '10.0.0.1' } });
    expect(plan?.places).toEqual([]);
    expect(plan?.problems).toMatchObject([{ message: expect.stringMatching(/^publishes nothing/) }]);
  });
});

test('there is nothing to say of a backend that is not there, or whose service has no frontend', () => {
  expect(explained({ 'services/web/frontend': WEB['services/web/frontend'] })).toBeUndefined();
  expect(explained({ 'services/web/backends/a': WEB['services/web/backends/a'] })).toBeUndefined();
});
