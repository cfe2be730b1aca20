/** Traffic as the cluster's tests send it, and what came of it. */
import type { Pair } from './addresses.js';
import type { Client } from './client-process.js';
import type { Place } from './place.js';

const FAMILIES = ['ipv4', 'ipv6'] as const;
const PROTOCOLS = ['tcp', 'udp'] as const;

/** A service published over both families and both protocols. */
export interface Published extends Pair {
  readonly tcp: number;
  readonly udp: number;
}

/** By `ipv4 tcp` …: the containers that answered, and the addresses that they took the client for. */
export type Answers = Readonly<
  Record<string, { readonly from: readonly string[]; readonly clients: readonly string[] }>
>;

/** Asks over each family and protocol, so often that each of a few containers has its turn. */
export async function answers(client: Client, service: Published): Promise<Answers> {
  const result: Record<string, Answers[string]> = {};
  for (const family of FAMILIES)
    for (const protocol of PROTOCOLS) {
      const replies = await client.ask(protocol, { address: service[family], port: service[protocol] }, 16);
      result[`${family} ${protocol}`] = {
        from: distinct(replies.map(({ from }) => from)),
        clients: distinct(replies.map((reply) => reply.client)),
      };
    }
  return result;
}

/** What `answers` gives when all is well: each of these containers answered, and saw the client itself. */
export function answersFrom(containers: readonly string[], client: Pair): Answers {
  const entries = FAMILIES.flatMap((family) =>
    PROTOCOLS.map((protocol) => [`${family} ${protocol}`, { from: containers.toSorted(), clients: [client[family]] }]),
  );
  return Object.fromEntries(entries);
}

/** Downloads over each family, every byte checked. */
export async function download(client: Client, service: Published, bytes: number): Promise<void> {
  for (const family of FAMILIES) await client.download({ address: service[family], port: service.tcp }, bytes);
}

/** Uploads over each family. @returns the containers that it went to, every byte of it */
export async function upload(client: Client, service: Published, bytes: number): Promise<readonly string[]> {
  const names: string[] = [];
  for (const family of FAMILIES)
    names.push(await client.upload({ address: service[family], port: service.tcp }, bytes));
  return names;
}

export interface Traffic {
  readonly sent: number;
  readonly received: number;
}

/** Bytes over a device of a place while something was done. */
export async function trafficDuring(
  devices: readonly (readonly [Place, string])[],
  what: () => Promise<unknown>,
): Promise<Traffic[]> {
  const read = async () => await Promise.all(devices.map(async ([place, device]) => await traffic(place, device)));
  const before = await read();
  await what();
  const after = await read();
  return after.map(({ sent, received }, index) => ({
    sent: sent - (before[index]?.sent ?? 0),
    received: received - (before[index]?.received ?? 0),
  }));
}

/** @throws Error if there is no such device: a count of nothing would prove nothing */
async function traffic(place: Place, device: string): Promise<Traffic> {
  const table = await place.run('cat', '/proc/net/dev');
  const line = table.split('\n').find((text) => text.trim().startsWith(`${device}:`));
  const columns = line?.split(':')[1]?.trim().split(/\s+/);
  if (columns === undefined) throw new Error(`${place.name} has no device ${device}:\n${table}`);
  return { received: Number(columns[0]), sent: Number(columns[8]) };
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].toSorted();
}
