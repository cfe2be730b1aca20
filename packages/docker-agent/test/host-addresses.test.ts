import { networkInterfaces } from 'node:os';
import { expect, test } from '@jest/globals';
import { lookUpAddresses, sourceAddresses } from '../src/host-addresses.js';

const given = { value: '192.0.2.11', from: '--host-address' };
const former = { value: '192.0.2.99', from: 'source address of the default route' };

test('what the default routes send from are addresses of this machine', async () => {
  const own = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
  const found = Object.values(await sourceAddresses()).map(({ value }) => value);
  expect(own).toEqual(expect.arrayContaining(found));
});

test('a given address counts, and the other family is looked up all the same', async () => {
  expect(await lookUpAddresses({ ipv4: given }, { ipv4: former })).toEqual({
    ...(await sourceAddresses()),
    ipv4: given,
  });
});

test('a family that has no route for the moment keeps the address it had', async () => {
  const { ipv4 = former, ipv6 = former } = await sourceAddresses();
  expect(await lookUpAddresses({}, { ipv4: former, ipv6: former })).toEqual({ ipv4, ipv6 });
});
