import { createSocket } from 'node:dgram';
import type { Family } from '@clusterf/model';
import type { Sourced } from './findings.js';

/** Where other machines reach this host. */
export type HostAddresses = Readonly<Partial<Record<Family, Sourced<string>>>>;

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

/** Addresses that documents use and nobody has (RFC 5737, RFC 3849): what leads there is the default route. */
const ANYWHERE = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' } as const;
const DISCARD = 9;

/**
 * The host's addresses as they are now: those given, else those found. A family that has none for the moment keeps the
 * one it had: a link that is down for a minute is no reason to remove what is registered.
 */
export async function lookUpAddresses(given: HostAddresses, before: HostAddresses): Promise<HostAddresses> {
  return { ...before, ...(await sourceAddresses()), ...given };
}

/**
 * The addresses the kernel would send from, to somewhere beyond this network. Connecting a UDP socket makes it choose
 * one and sends nothing. A family without a route has none.
 */
export async function sourceAddresses(): Promise<HostAddresses> {
  const found = await Promise.all(FAMILIES.map(async (family) => ({ family, value: await sourceAddress(family) })));
  return Object.fromEntries(
    found.flatMap(({ family, value }) =>
      value === undefined ? [] : [[family, { value, from: 'source address of the default route' }]],
    ),
  );
}

async function sourceAddress(family: Family): Promise<string | undefined> {
  const socket = createSocket(family === 'ipv4' ? 'udp4' : 'udp6');
  try {
    return await new Promise((resolve) => {
      socket.once('error', () => resolve(undefined));
      // Types say that nothing is passed; Node passes the error, such as ENETUNREACH, and says so in its manual.
      socket.connect(DISCARD, ANYWHERE[family], (error?: Error) => {
        resolve(error === undefined ? socket.address().address : undefined);
      });
    });
  } finally {
    socket.close();
  }
}
