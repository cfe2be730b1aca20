import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** `native`: namespaces of the host's kernel. `uml`: Debian's user-mode kernel, for hosts whose own has no IPVS. */
export type MachineKind = 'native' | 'uml';

/**
 * What this host can do: its own kernel, where that has IPVS and we may use it, else the user-mode one.
 * Loads the host kernel's `ip_vs` module, if there is one, and needs to be root for that. `CLUSTERF_LAB_KIND` decides instead.
 */
export function availableKind(environment: NodeJS.ProcessEnv = process.env): MachineKind {
  const asked = environment['CLUSTERF_LAB_KIND'];
  if (asked === 'native' || asked === 'uml') return asked;
  if (asked !== undefined && asked !== '') {
    throw new Error(`CLUSTERF_LAB_KIND is "${asked}"; expected native or uml`);
  }
  return process.getuid?.() === 0 && kernelHasIpvs() ? 'native' : 'uml';
}

/** Whether `native` machines run dockerd here: root, overlays, and bridges, links and address translation in new networks. */
export function hostRunsContainers(): boolean {
  if (process.getuid?.() !== 0) return false;
  const probe =
    'modprobe -q overlay; grep -qw overlay /proc/filesystems && ip link add name lab0 type bridge && ip link add name lab1 type veth && ' +
    'iptables -t nat -A POSTROUTING -j MASQUERADE';
  try {
    execFileSync('unshare', ['--mount', '--net', '--pid', '--cgroup', '--fork', '/bin/sh', '-c', probe], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}

function kernelHasIpvs(): boolean {
  if (ipvsIsLoaded()) return true;
  try {
    execFileSync('modprobe', ['ip_vs'], { stdio: 'ignore' });
  } catch {
    return false;
  }
  return ipvsIsLoaded();
}

function ipvsIsLoaded(): boolean {
  return existsSync('/proc/net/ip_vs');
}
