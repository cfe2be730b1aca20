import { describe, expect, test } from '@jest/globals';
import { ConfigTree, type SourceEvent } from '@clusterf/model';
import * as fc from 'fast-check';
import type { PlanOptions } from '../src/plan.js';
import { Planner } from '../src/planner.js';

const OPTIONS: PlanOptions = { method: 'masq', scheduler: 'wlc', elide: false };

type Entries = Readonly<Record<string, unknown>>;

/** A tree and a planner that follows it. */
class Followed {
  readonly #tree = new ConfigTree(['memory:']);
  readonly #planner: Planner;

  constructor(entries: Entries, options: PlanOptions = OPTIONS) {
    this.#planner = new Planner(options);
    this.#apply({
      type: 'snapshot',
      entries: new Map(Object.entries(entries).map(([k, v]) => [k, JSON.stringify(v)])),
    });
  }

  /** @returns the virtual services that may have changed; `undefined` deletes an entry */
  change(changes: Entries): string[] {
    return this.#apply({
      type: 'changes',
      changes: new Map(Object.entries(changes).map(([k, v]) => [k, v === undefined ? undefined : JSON.stringify(v)])),
    });
  }

  get desired() {
    return this.#planner.desired;
  }

  get digest() {
    return this.#planner.digest;
  }

  /** Everything it says, in an order that does not depend on the way there. */
  get said() {
    return {
      desired: [...this.#planner.desired].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      problems: this.#planner.problems.map(({ key, message }) => `${key}: ${message}`).toSorted(),
      digest: this.#planner.digest,
    };
  }

  #apply(event: SourceEvent): string[] {
    return [...this.#planner.update(this.#tree.config, this.#tree.apply(0, event))];
  }
}

/** Of a virtual service's destinations. */
function weights({ desired }: Followed, key: string): Record<string, number> {
  return Object.fromEntries([...(desired.get(key)?.destinations ?? [])].map(([at, { weight }]) => [at, weight]));
}

const A = 'tcp 10.0.0.1:80';
const B = 'tcp 10.0.0.1:81';
const TREE = {
  'services/a/frontend': { ipv4: '10.0.0.1', tcp: 80 },
  'services/a/backends/x': { ipv4: '172.17.0.2', tcp: 80 },
  'services/b/frontend': { ipv4: '10.0.0.1', tcp: 81 },
  'services/b/backends/y': { ipv4: '172.18.0.2', tcp: 80 },
};

describe('what is planned again', () => {
  test('a changed backend: its service alone', () => {
    const followed = new Followed(TREE);
    const b = followed.desired.get(B);
    expect(followed.change({ 'services/a/backends/x': { ipv4: '172.17.0.3', tcp: 80 } })).toEqual([A]);
    expect(followed.desired.get(B)).toBe(b);
  });

  test('a changed route: services with a backend under its prefix', () => {
    const followed = new Followed({ ...TREE, 'routes/r': { Prefix: '172.17.0.0/16', IPVSMethod: 'masq' } });
    const b = followed.desired.get(B);
    expect(followed.change({ 'routes/r': { Prefix: '172.17.0.0/16', IPVSMethod: 'droute' } })).toEqual([A]);
    expect(followed.desired.get(B)).toBe(b);
    expect(followed.desired.get(A)?.destinations.get('172.17.0.2:80')?.method).toBe('droute');
  });

  test('a route whose prefix moves: services under the old one and under the new one', () => {
    const followed = new Followed({ ...TREE, 'routes/r': { Prefix: '172.17.0.0/16', IPVSMethod: 'droute' } });
    expect(followed.change({ 'routes/r': { Prefix: '172.18.0.0/16', IPVSMethod: 'droute' } }).toSorted()).toEqual([
      A,
      B,
    ]);
  });

  test('a default route: every service', () => {
    const followed = new Followed(TREE);
    expect(followed.change({ 'routes/r': { IPVSMethod: 'droute' } }).toSorted()).toEqual([A, B]);
  });

  test('a drained host: services with a backend of its, and again when it is drained no longer', () => {
    const followed = new Followed({ ...TREE, 'services/b/backends/z': { ipv4: '172.18.0.3', tcp: 80, host: 'h1' } });
    const a = followed.desired.get(A);
    expect(followed.change({ 'drain/hosts/h1': {} })).toEqual([B]);
    expect(weights(followed, B)).toEqual({ '172.18.0.2:80': 10, '172.18.0.3:80': 0 });
    expect(followed.change({ 'drain/hosts/h1': undefined })).toEqual([B]);
    expect(weights(followed, B)).toEqual({ '172.18.0.2:80': 10, '172.18.0.3:80': 10 });
    expect(followed.desired.get(A)).toBe(a);
  });

  test('a drained backend: its service alone', () => {
    const followed = new Followed(TREE);
    expect(followed.change({ 'drain/backends/a/x': {} })).toEqual([A]);
    expect(weights(followed, A)).toEqual({ '172.17.0.2:80': 0 });
  });

  test('a backend that comes to a drained host: it has weight 0 from the start', () => {
    const followed = new Followed({ ...TREE, 'drain/hosts/h1': {} });
    followed.change({ 'services/a/backends/new': { ipv4: '172.17.0.3', tcp: 80, host: 'h1' } });
    expect(weights(followed, A)).toEqual({ '172.17.0.2:80': 10, '172.17.0.3:80': 0 });
  });

  test.each([{ 'balancers/lb1/status': { ready: true } }, { 'drain/balancers/lb1': {} }, { 'drain/hosts/nobody': {} }])(
    'an entry that changes nothing that is planned: nothing: %j',
    (entry) => {
      const followed = new Followed(TREE);
      expect(followed.change(entry)).toEqual([]);
    },
  );

  test('a service that is gone leaves its virtual service to who else asks for it', () => {
    const followed = new Followed({ ...TREE, 'services/c/frontend': { ipv4: '10.0.0.1', tcp: 80 } });
    expect(followed.said.problems).toEqual([`services/c/frontend: ${A} is already service a's: not published`]);
    expect(followed.change({ 'services/a/frontend': undefined })).toEqual([A]);
    expect(followed.desired.get(A)?.service.serviceName).toBe('c');
    expect(followed.said.problems).toEqual([]);
  });

  test('a smaller name that comes later takes the virtual service over', () => {
    const followed = new Followed({ 'services/b/frontend': { ipv4: '10.0.0.1', tcp: 80 } });
    followed.change({ 'services/a/frontend': { ipv4: '10.0.0.1', tcp: 80 } });
    expect(followed.desired.get(A)?.service.serviceName).toBe('a');
    expect(followed.said.problems).toEqual([`services/b/frontend: ${A} is already service a's: not published`]);
  });
});

/** Of service `a` with backend `x`. */
function digest(frontend: object, backend: object, more: Entries = {}, options = OPTIONS): string {
  const entries = { 'services/a/frontend': frontend, 'services/a/backends/x': backend, ...more };
  return new Followed(entries, options).digest;
}

describe('the digest of a plan', () => {
  const FRONTEND = { ipv4: '10.0.0.1', tcp: 80 };
  const BACKEND = { ipv4: '172.17.0.2', tcp: 80 };

  test('is another one for whatever the kernel would be told otherwise', () => {
    const persistence = { timeout: 60 };
    const tunnel = { type: 'gue', port: 6080 };
    const all = [
      digest(FRONTEND, BACKEND),
      digest({ ...FRONTEND, scheduler: 'rr' }, BACKEND),
      digest({ ...FRONTEND, scheduler: 'mh' }, BACKEND),
      digest({ ...FRONTEND, scheduler: 'mh', schedulerFlags: [] }, BACKEND),
      digest({ ...FRONTEND, persistence }, BACKEND),
      digest({ ...FRONTEND, persistence: { ...persistence, netmask: 24 } }, BACKEND),
      digest({ ...FRONTEND, udp: 80 }, BACKEND),
      digest({ ...FRONTEND, tcp: 81 }, BACKEND),
      digest(FRONTEND, { ...BACKEND, weight: 0 }),
      digest(FRONTEND, { ...BACKEND, upperThreshold: 5 }),
      digest(FRONTEND, { ...BACKEND, upperThreshold: 5, lowerThreshold: 2 }),
      digest(FRONTEND, { ...BACKEND, tcp: 8080 }),
      digest(FRONTEND, BACKEND, { 'routes/r': { IPVSMethod: 'tunnel' } }),
      digest(FRONTEND, BACKEND, { 'routes/r': { IPVSMethod: 'tunnel', Tunnel: tunnel } }),
      digest(FRONTEND, BACKEND, {}, { ...OPTIONS, method: 'droute' }),
      digest(FRONTEND, BACKEND, {}, { ...OPTIONS, onlyHost: 'h1' }),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  test('is the same for what the kernel would not see', () => {
    const plain = digest(FRONTEND, BACKEND);
    expect(digest(FRONTEND, { ...BACKEND, host: 'h1', container: 'web-1' })).toBe(plain);
    expect(digest({ ...FRONTEND, scheduler: 'wlc' }, BACKEND, { 'services/b/backends/y': BACKEND })).toBe(plain);
    expect(new Followed({ 'services/z/frontend': FRONTEND, 'services/z/backends/q': BACKEND }).digest).toBe(plain);
  });
});

test.each([undefined, 'h1'])(
  'a planner that followed every change plans what one that sees only the end does, --only-host %s',
  (onlyHost) => {
    const options = { ...OPTIONS, onlyHost };
    const service = fc.constantFrom('a', 'b', 'c');
    const address = fc.constantFrom('172.17.0.2', '172.18.0.2', '172.18.1.2');
    const entry = fc.oneof(
      fc.tuple(
        service.map((name) => `services/${name}/frontend`),
        fc.record({ ipv4: fc.constantFrom('10.0.0.1', '10.0.0.2'), tcp: fc.constantFrom(80, 81) }),
      ),
      fc.tuple(
        fc.tuple(service, fc.constantFrom('x', 'y')).map(([s, b]) => `services/${s}/backends/${b}`),
        fc.record(
          { ipv4: address, tcp: fc.constantFrom(80, 8080), host: fc.constantFrom('h1', 'h2') },
          { requiredKeys: ['ipv4', 'tcp'] },
        ),
      ),
      fc.tuple(
        fc.constantFrom('drain/hosts/h1', 'drain/hosts/h2', 'drain/backends/a/x', 'drain/backends/b/y'),
        fc.record({ reason: fc.constantFrom('disk', 'kernel') }, { requiredKeys: [] }),
      ),
      fc.tuple(
        fc.constantFrom('routes/p', 'routes/q'),
        fc.record(
          {
            Prefix: fc.constantFrom('172.16.0.0/12', '172.18.0.0/16', '172.18.1.0/24'),
            Gateway: fc.constantFrom('192.0.2.1', '2001:db8::1'),
            IPVSMethod: fc.constantFrom('masq', 'droute', 'tunnel'),
            Priority: fc.constantFrom(0, 1),
          },
          { requiredKeys: [] },
        ),
      ),
    );
    const change = entry.chain(([key, value]) => fc.boolean().map((gone) => [key, gone ? undefined : value] as const));
    fc.assert(
      fc.property(fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { maxLength: 12 }), (steps) => {
        const followed = new Followed({}, options);
        const end = new Map<string, unknown>();
        for (const step of steps) {
          followed.change(Object.fromEntries(step));
          for (const [key, value] of new Map(step)) {
            if (value === undefined) end.delete(key);
            else end.set(key, value);
          }
        }
        expect(followed.said).toEqual(new Followed(Object.fromEntries(end), options).said);
      }),
    );
  },
);
