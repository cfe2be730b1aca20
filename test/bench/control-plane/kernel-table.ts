/** The kernel's table as /proc has it: it is looked at while something is measured, and each start of ipvsadm would cost more than that. */
import { readFile } from 'node:fs/promises';
import { until } from '../../fixtures/until.js';
import { PORT } from './topology.js';

/** How many destinations a TCP service has in the text of /proc/net/ip_vs. */
export function destinationsOf(table: string, address: string, port: number): number {
  const bytes = address.split('.').map((byte) => hex(Number(byte), 2));
  const [, after] = table.split(`TCP  ${bytes.join('')}:${hex(port, 4)} `);
  const [, ...lines] = after?.split('\n') ?? [];
  const end = lines.findIndex((line) => !line.startsWith('  ->'));
  return end === -1 ? lines.length : end;
}

/** @param pid of a process in the network namespace meant */
export async function untilDestinations(pid: number, address: string, count: number): Promise<void> {
  const read = async () => await readFile(`/proc/${pid}/net/ip_vs`, 'utf8');
  await until(
    `process ${pid} sees ${count} destinations for ${address}`,
    async () => destinationsOf(await read(), address, PORT) === count,
  ).catch(async (cause: unknown) => {
    throw new Error(`there is only\n${await read()}`, { cause });
  });
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}
