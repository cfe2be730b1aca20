import { isIP } from 'node:net';
import type { HttpListen } from './http-listen.js';

/**
 * Whether a request came to a loopback address by a name that is not its own: that of a web site, in the browser of
 * somebody who works on this machine, which has been made to point here so that its pages may read the answer (DNS
 * rebinding). Where the endpoint listens on other addresses its names are the operator's business.
 *
 * @param host the request's Host header; tools older than it send none
 */
export function isMisdirected({ host: own }: HttpListen, host: string | undefined): boolean {
  if (own === undefined || !isLoopback(own) || host === undefined) return false;
  const name = host
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
  return isIP(name) === 0 && name !== 'localhost' && name !== own.toLowerCase();
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d+){3}$/.test(host);
}
