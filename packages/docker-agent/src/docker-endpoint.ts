import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';

/** Where Docker's API is, as Node's requests take it. */
export interface Endpoint {
  readonly request: typeof http.request;
  readonly options: https.RequestOptions;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** What `--docker-endpoint` takes. */
export const EXPECTED_ENDPOINT = 'unix:///PATH or tcp://HOST:PORT';

/** Idle connections are kept for the next question, for milliseconds: a TLS handshake costs more than most answers. */
const IDLE = 4_000;

/** Undefined if the text is an endpoint, else what is wrong with it. */
export function endpointProblem(text: string): string | undefined {
  if (text.startsWith('ssh://')) {
    return (
      `${EXPECTED_ENDPOINT}; ssh is left to ssh, which knows whom to trust: ` +
      'ssh -nNT -L /run/docker-remote.sock:/var/run/docker.sock HOST, then unix:///run/docker-remote.sock'
    );
  }
  return /^(unix:\/\/\/|(tcp|https?):\/\/[^/])/.test(text) ? undefined : EXPECTED_ENDPOINT;
}

/**
 * Nothing is sent yet.
 *
 * @param text `unix:///path` or `tcp://host:port`, the latter by TLS where the environment says so as it does to
 *   Docker's own client: DOCKER_TLS_VERIFY, DOCKER_CERT_PATH
 * @throws Error for an endpoint that is neither, or unreadable certificates
 */
export function parseEndpoint(text: string, env: Variables): Endpoint {
  const problem = endpointProblem(text);
  if (problem !== undefined) throw new Error(`expected ${problem}`);
  if (text.startsWith('unix://')) {
    const agent = new http.Agent({ keepAlive: true, timeout: IDLE });
    return { request: http.request, options: { agent, socketPath: text.slice('unix://'.length) } };
  }
  const url = new URL(text);
  const verify = (env['DOCKER_TLS_VERIFY'] ?? '') !== '';
  const secure = url.protocol === 'https:' || url.port === '2376' || verify;
  // Without the brackets of an IPv6 address, which only URLs have.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!secure) {
    const agent = new http.Agent({ keepAlive: true, timeout: IDLE });
    return { request: http.request, options: { agent, host, port: url.port || 2375 } };
  }
  // Where Docker's own client looks as well.
  const directory = env['DOCKER_CERT_PATH'] || (verify ? join(env['HOME'] ?? '/', '.docker') : undefined);
  const agent = new https.Agent({ keepAlive: true, timeout: IDLE });
  const certificates = directory === undefined ? {} : readCertificates(directory);
  return { request: https.request, options: { agent, host, port: url.port || 2376, ...certificates } };
}

function readCertificates(directory: string): Pick<https.RequestOptions, 'ca' | 'cert' | 'key'> {
  return {
    ca: readFileSync(join(directory, 'ca.pem')),
    cert: readFileSync(join(directory, 'cert.pem')),
    key: readFileSync(join(directory, 'key.pem')),
  };
}
