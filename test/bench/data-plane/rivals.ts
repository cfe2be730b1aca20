/** What the others are told: the same servers, and one processor to do it with. */
import { addressOf, PORTS, virtualAddressOf } from './topology.js';

const SERVERS = [addressOf('web1'), addressOf('web2')] as const;
const KEPT_SERVERS = [addressOf('keepd1'), addressOf('keepd2')] as const;

/** The services of a way: its port, and the servers that have it. */
function services<T>(servers: readonly [T, T]): readonly { readonly port: number; readonly servers: readonly T[] }[] {
  return [
    { port: PORTS.requests, servers },
    { port: PORTS.bulk, servers: [servers[0]] },
  ];
}

export function haproxyConfiguration(): string {
  const listeners = services(SERVERS).map(
    ({ port, servers }) => `listen on-${port}
  bind ${virtualAddressOf('haproxy')}:${port}
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

export function nginxConfiguration(directory: string): string {
  const blocks = services(SERVERS).map(
    ({ port, servers }) => `  upstream on-${port} {
${servers.map((address) => `    server ${address}:${port};\n`).join('')}  }
  server {
    listen ${virtualAddressOf('nginx')}:${port} backlog=4096;
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
export function keepalivedConfiguration(): string {
  const blocks = services(KEPT_SERVERS).map(
    ({ port, servers }) => `virtual_server ${virtualAddressOf('keepalived')} ${port} {
  lvs_sched wlc
  lvs_method NAT
  protocol TCP
${servers.map((address) => `  real_server ${address} ${port} {\n    weight 10\n  }\n`).join('')}}
`,
  );
  return `global_defs {\n}\n${blocks.join('')}`;
}
