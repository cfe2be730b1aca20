import { networkInterfaces } from 'node:os';
import type { Logger } from '@clusterf/daemon';
import { Rtnetlink } from '../addresses/rtnetlink.js';
import type { StateFile } from '../state-file.js';
import { HairpinPorts } from './hairpin-ports.js';
import { iptables } from './iptables.js';
import { Masquerade, masqueradedPrefixes } from './masquerade.js';

export interface MasqueradeOptions {
  /** `--masquerade`: networks whose connections are masqueraded. */
  readonly networks: readonly string[];
  /** Ports of bridges that an earlier run set. */
  readonly state: StateFile<readonly string[]>;
  readonly log: Logger;
}

/** Masquerading in this network namespace, by its own iptables. Asks for nothing yet. */
export function openMasquerade({ networks, state, log }: MasqueradeOptions): Masquerade {
  const prefixes = masqueradedPrefixes(networks);
  const rtnetlink = new Rtnetlink();
  const kind = async (device: string) => (await rtnetlink.link(device).catch(() => undefined))?.kind;
  return new Masquerade({
    prefixes,
    iptables: { ipv4: iptables('ipv4'), ipv6: iptables('ipv6') },
    hairpin: new HairpinPorts({ prefixes, state, log, interfaces: networkInterfaces, kind }),
    log,
  });
}
