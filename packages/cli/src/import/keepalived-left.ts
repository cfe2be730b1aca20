/** What of a keepalived.conf has no counterpart in the tree, and what does it instead. */

const CHECKS =
  'clusterf checks no servers: a container’s HEALTHCHECK decides (docs/docker.md), or whoever writes its backend’s weight';
const SCRIPTS = 'clusterf runs no scripts: /metrics and /status tell what happens (docs/metrics.md)';
const QUORUM =
  'there is no quorum: a service is balanced over the servers it has, and --brake holds back when most of them go';
const SORRY = 'there is no server of last resort; clusterf-ipvs --withdraw-when-empty takes the address away instead';

const REASONS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      'HTTP_GET SSL_GET TCP_CHECK SMTP_CHECK DNS_CHECK MISC_CHECK BFD_CHECK UDP_CHECK PING_CHECK FILE_CHECK',
      'delay_loop delay_before_retry retry warmup connect_timeout inhibit_on_failure virtualhost alpha ha_suspend',
      'log_all_failures',
    ]
      .flatMap((line) => line.split(' '))
      .map((keyword) => [keyword, CHECKS]),
  ),
  ...Object.fromEntries(
    'omega quorum_up quorum_down notify_up notify_down'.split(' ').map((keyword) => [keyword, SCRIPTS]),
  ),
  quorum: QUORUM,
  hysteresis: QUORUM,
  smtp_alert: 'clusterf sends no mail: alerts are Prometheus’s (docs/metrics.md)',
  sorry_server: SORRY,
  sorry_server_inhibit: SORRY,
  sorry_server_lvs_method: SORRY,
  snmp_name: 'there is no SNMP: a service’s own name is in /metrics',
  hashed: 'the kernel sets it by itself',
};

const GLOBAL: Readonly<Record<string, string>> = {
  lvs_sync_daemon: 'sync daemons are said by the entry sync of the tree (docs/configuration.md)',
  lvs_timeouts: 'the kernel’s time-outs are left as they are: ipvsadm --set',
  lvs_flush: 'clusterf-ipvs --flush does it',
  lvs_flush_onstop: 'clusterf-ipvs leaves the table in place when it ends',
  net_namespace: 'start clusterf-ipvs in the namespace instead',
  net_namespace_ipvs: 'start clusterf-ipvs in the namespace instead',
};

const BLOCKS: Readonly<Record<string, string>> = {
  global_defs: 'keepalived’s own settings',
  vrrp_instance:
    'clusterf has no VRRP: clusterf-ipvs --vip-interface binds addresses, a routing daemon announces them (docs/virtual-addresses.md)',
  vrrp_sync_group: 'it belongs to VRRP',
  vrrp_script: 'it belongs to VRRP',
  vrrp_track_process: 'it belongs to VRRP',
  vrrp_track_file: 'it belongs to VRRP',
  static_ipaddress: 'addresses of the machine are its own affair',
  static_routes: 'routes of the machine are its own affair',
  static_rules: 'routing rules of the machine are its own affair',
  bfd_instance: 'BFD is the routing daemon’s (docs/two-tier.md)',
  SSL: 'it belongs to health checks',
};

/** Why a line within a block is left out; undefined for one that is not known, or of global_defs does not matter. */
export function reasonFor(
  block: 'virtual_server' | 'real_server' | 'global_defs',
  keyword: string,
): string | undefined {
  const reasons = block === 'global_defs' ? GLOBAL : REASONS;
  return Object.hasOwn(reasons, keyword) ? reasons[keyword] : undefined;
}

/** Why a block of the file is left out. */
export function reasonForBlock(keyword: string): string {
  return (Object.hasOwn(BLOCKS, keyword) ? BLOCKS[keyword] : undefined) ?? 'it is no virtual server';
}
