import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  type Command,
  type Destination,
  type DestinationId,
  destinationKey,
  type IpvsClient,
  type VirtualService,
  type VirtualServiceId,
  virtualServiceKey,
} from '../src/index.js';
import * as arbitrary from './support/arbitraries.js';
import { byJson, emptyKernel, settings } from './support/kernel.js';

let client: IpvsClient;
beforeAll(async () => {
  client = await emptyKernel();
});
afterAll(() => client.close());

type TableCommand = Command<
  'newService' | 'setService' | 'delService' | 'newDestination' | 'setDestination' | 'delDestination' | 'flush'
>;

/** The kernel's table as it ought to be, and what it ought to answer. */
class Model {
  readonly #services = new Map<string, { service: VirtualService; destinations: Map<string, Destination> }>();

  /** The errno's name, or undefined. */
  apply(command: TableCommand): string | undefined {
    switch (command.command) {
      case 'newService': {
        if (this.#services.has(virtualServiceKey(command.service.id))) return 'EEXIST';
        this.#services.set(virtualServiceKey(command.service.id), {
          service: command.service,
          destinations: new Map(),
        });
        return undefined;
      }
      case 'setService': {
        const entry = this.#services.get(virtualServiceKey(command.service.id));
        if (entry === undefined) return 'ESRCH';
        entry.service = command.service;
        return undefined;
      }
      case 'delService':
        return this.#services.delete(virtualServiceKey(command.service)) ? undefined : 'ESRCH';
      case 'newDestination':
        return this.#withDestination(command.service, command.destination, (destinations, key) => {
          if (destinations.has(key)) return 'EEXIST';
          destinations.set(key, command.destination);
          return undefined;
        });
      case 'setDestination':
        return this.#withDestination(command.service, command.destination, (destinations, key) => {
          if (!destinations.has(key)) return 'ENOENT';
          destinations.set(key, command.destination);
          return undefined;
        });
      case 'delDestination':
        return this.#withDestination(command.service, command.destination, (destinations, key) =>
          destinations.delete(key) ? undefined : 'ENOENT',
        );
      case 'flush':
        this.#services.clear();
    }
    return undefined;
  }

  #withDestination(
    service: VirtualServiceId,
    destination: DestinationId,
    act: (destinations: Map<string, Destination>, key: string) => string | undefined,
  ): string | undefined {
    const entry = this.#services.get(virtualServiceKey(service));
    return entry ? act(entry.destinations, destinationKey(destination)) : 'ESRCH';
  }

  table() {
    return [...this.#services.values()]
      .map(({ service, destinations }) => ({ service, destinations: [...destinations.values()].toSorted(byJson) }))
      .toSorted((a, b) => byJson(a.service.id, b.service.id));
  }
}

/** Few identities, so that commands meet; and settings that the kernel takes for any of them. */
const ids: readonly VirtualServiceId[] = [
  { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 },
  { family: 'ipv4', protocol: 'udp', address: '10.0.0.1', port: 80 },
  { family: 'ipv6', protocol: 'sctp', address: '2001:db8::1', port: 80 },
  { family: 'ipv6', protocol: 'tcp', address: 'a00:1::', port: 80 },
  { family: 'ipv4', fwmark: 7 },
  { family: 'ipv6', fwmark: 7 },
];

const service = fc
  .tuple(fc.constantFrom(...ids), arbitrary.service, fc.constantFrom('rr', 'wrr', 'lc', 'wlc', 'sh', 'mh', 'sed', 'nq'))
  .map(([id, { persistence, ...settingsOf }, scheduler]): VirtualService => {
    const bits = id.family === 'ipv4' ? 32 : 128;
    return {
      ...settingsOf,
      id,
      scheduler,
      ...(persistence && {
        persistence: { timeout: persistence.timeout, prefixLength: Math.min(bits, persistence.prefixLength) },
      }),
    };
  });

const commands: fc.Arbitrary<TableCommand> = fc
  .tuple(service, arbitrary.destination, fc.nat({ max: 3 }), fc.nat({ max: 99 }))
  .map(([one, settingsOf, host, kind]): TableCommand => {
    const { id } = one;
    const address = id.family === 'ipv4' ? `192.0.2.${host + 1}` : `2001:db8::${host + 1}`;
    const destination: Destination = { ...settingsOf, family: id.family, address, port: 80 };
    if (kind < 25) return { command: 'newService', service: one };
    if (kind < 35) return { command: 'setService', service: one };
    if (kind < 42) return { command: 'delService', service: id };
    if (kind < 70) return { command: 'newDestination', service: id, destination };
    if (kind < 85) return { command: 'setDestination', service: id, destination };
    if (kind < 98) return { command: 'delDestination', service: id, destination };
    return { command: 'flush' };
  });

test('after any commands, singly or in a batch, the kernel’s answers and table are those of the model', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(commands, { minLength: 1, maxLength: 60, size: 'max' }),
      fc.boolean(),
      async (list, batched) => {
        await client.flush();
        const model = new Model();
        const expected = list.map((command) => model.apply(command));
        const errors = batched
          ? await client.batch(list)
          : (await Promise.all(list.map((one) => client.batch([one])))).flat();
        expect(errors.map((error) => error?.code)).toEqual(expected);
        expect(await settings(client)).toEqual(model.table());
      },
    ),
    { numRuns: 300 },
  );
}, 120_000);
