import type { PlannedEntry } from './plan.js';

/**
 * What the kernel would be told of a virtual service and of each of its destinations: the same words for what is the same
 * to it, whatever the tree calls it.
 */
export function* wordsOf(key: string, { service, destinations }: PlannedEntry): Iterable<string> {
  const { scheduler, schedulerFlags, onePacket, persistence } = service;
  const { timeout = 0, prefixLength = 0, engine = '' } = persistence ?? {};
  yield `${key} ${scheduler} ${schedulerFlags} ${onePacket} ${timeout} ${prefixLength} ${engine}`;
  for (const [at, { method, weight, upperThreshold, lowerThreshold, tunnel }] of destinations) {
    const { type = '', port = 0, checksum = '' } = tunnel ?? {};
    yield `${key} -> ${at} ${method} ${weight} ${upperThreshold} ${lowerThreshold} ${type} ${port} ${checksum}`;
  }
}
