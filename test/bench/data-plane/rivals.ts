/** What the others are told: the same servers, and one processor to do it with. */
import { PORTS } from './topology.js';

/** What one of them is to balance: both services of an address, over two servers. */
export interface Balanced {
  readonly virtual: string;
  readonly servers: readonly [string, string];
}

/** By port, the servers that it has: iperf3's has one, see treeOf. */
function services({ servers }: Balanced): readonly { readonly port: number; readonly servers: readonly string[] }[] {
  return [
    { port: PORTS.requests, servers },
    { port: PORTS.bulk, servers: [servers[0]] },
  ];
}

export function haproxyConfiguration(balanced: Balanced): string {
  const listeners = services(balanced).map(
    ({ port, servers }) => `listen on-${port}
  bind ${balanced.virtual}:${port}
  balance roundrobin
${servers.map((address, index) => `  server s${index} ${address}:${port}\n`).join('')}`,
  );
  return `global
  nbthread 1
  maxconn 10000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
${listeners.join('')}`;
}

/** @param directory for its log */
export function nginxConfiguration(balanced: Balanced, directory: string): string {
  const blocks = services(balanced).map(
    ({ port, servers }) => `  upstream on-${port} {
${servers.map((address) => `    server ${address}:${port};\n`).join('')}  }
  server {
    listen ${balanced.virtual}:${port} backlog=4096;
    proxy_pass on-${port};
  }
`,
  );
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
worker_rlimit_nofile 20000;
pid ${directory}/nginx.pid;
error_log ${directory}/nginx.log;
events {
  worker_connections 10000;
  multi_accept on;
}
stream {
${blocks.join('')}}
`;
}

/** The scheduler is the one that our agent takes unless told otherwise. */
export function keepalivedConfiguration(balanced: Balanced): string {
  const blocks = services(balanced).map(
    ({ port, servers }) => `virtual_server ${balanced.virtual} ${port} {
  lvs_sched wlc
  lvs_method NAT
  protocol TCP
${servers.map((address) => `  real_server ${address} ${port} {\n    weight 10\n  }\n`).join('')}}
`,
  );
  return `global_defs {\n}\n${blocks.join('')}`;
}
