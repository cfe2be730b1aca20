import { checkAddresses } from './checks/addresses.js';
import { checkAgents } from './checks/agents.js';
import { checkDocker } from './checks/docker.js';
import { checkEtcd } from './checks/etcd.js';
import { checkFirewall } from './checks/firewall.js';
import { checkModules } from './checks/modules.js';
import { checkSettings } from './checks/settings.js';
import { checkTunnels } from './checks/tunnels.js';
import type { Facts } from './facts.js';
import type { Finding } from './finding.js';

/** In the order in which a person mends things: what the machine has, what it reaches, what passes, what runs. */
const CHECKS: readonly ((facts: Facts) => readonly Finding[])[] = [
  checkModules,
  checkEtcd,
  checkDocker,
  checkAgents,
  checkSettings,
  checkAddresses,
  checkFirewall,
  checkTunnels,
];

export function judge(facts: Facts): readonly Finding[] {
  return CHECKS.flatMap((check) => check(facts));
}
