import { isIPv4, isIPv6 } from 'node:net';
import type { StringOption } from './option-types.js';

/** Where to listen. */
export interface HttpListen {
  /** An address or a host name; absent = every address of the machine. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** @returns `'none'` for `none`, undefined if the text is not a place to listen at */
export function parseHttpListen(text: string): HttpListen | 'none' | undefined {
  if (text === 'none') return 'none';
  const [, host = '', digits = ''] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65_535) return undefined;
  if (host === '') return { port };
  if (host.startsWith('[') && host.endsWith(']')) {
    const address = host.slice(1, -1);
    return isIPv6(address) ? { host: address, port } : undefined;
  }
  return isIPv4(host) || isHostName(host) ? { host, port } : undefined;
}

/** The reverse: what a person types to get there. */
export function formatHttpListen({ host = '', port }: HttpListen): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** The `--http-listen` option of an agent; its value is for {@link parseHttpListen}. */
export function httpListenOption(port: number) {
  return {
    type: 'string',
    default: `127.0.0.1:${port}`,
    check: (text: string) =>
      parseHttpListen(text) === undefined ? 'HOST:PORT, [IPV6]:PORT, :PORT (every address) or none' : undefined,
    group: 'Health',
    describe: 'serve /metrics, /healthz, /readyz and /status over HTTP at HOST:PORT, or none',
  } as const satisfies StringOption;
}

/** One that is all digits and dots was meant for an address: `010.0.0.1`, which resolvers read as octal. */
function isHostName(text: string): boolean {
  return /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text) && !/^[\d.]+$/.test(text);
}
