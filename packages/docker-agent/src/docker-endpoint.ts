import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import type { DockerOptions } from 'dockerode';
import { keepingConnections } from './docker-connections.js';

/** Where Docker's API is, as dockerode takes it. */
export interface Endpoint extends DockerOptions {
  readonly agent: http.Agent;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** What `--docker-endpoint` takes. */
export const EXPECTED_ENDPOINT = 'unix:///PATH or tcp://HOST:PORT';

/** Undefined if the text is an endpoint, else what is wrong with it. */
export function endpointProblem(text: string): string | undefined {
  if (text.startsWith('ssh://')) {
    return (
      `${EXPECTED_ENDPOINT}; ssh is left to ssh, which knows whom to trust: ` +
      'ssh -nNT -L /run/docker-remote.sock:/var/run/docker.sock HOST, then unix:///run/docker-remote.sock'
    );
  }
  const isEndpoint = /^(unix:\/\/\/|(tcp|https?):\/\/[^/])/.test(text) && URL.canParse(text);
  return isEndpoint ? undefined : EXPECTED_ENDPOINT;
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
    const socketPath = text.slice('unix://'.length);
    return { protocol: 'http', socketPath, agent: keepingConnections(http.Agent) };
  }
  // An IPv6 address keeps the brackets that URLs have: dockerode makes a URL again.
  const { protocol, hostname: host, port } = new URL(text);
  const verify = (env['DOCKER_TLS_VERIFY'] ?? '') !== '';
  if (protocol !== 'https:' && port !== '2376' && !verify) {
    return { protocol: 'http', host, port: port || 2375, agent: keepingConnections(http.Agent) };
  }
  // Where Docker's own client looks as well.
  const directory = env['DOCKER_CERT_PATH'] || (verify ? join(env['HOME'] ?? '/', '.docker') : undefined);
  const certificates = directory === undefined ? {} : readCertificates(directory);
  const agent = keepingConnections(https.Agent);
  return { protocol: 'https', host, port: port || 2376, ...certificates, agent };
}

function readCertificates(directory: string): { ca: Buffer; cert: Buffer; key: Buffer } {
  return {
    ca: readFileSync(join(directory, 'ca.pem')),
    cert: readFileSync(join(directory, 'cert.pem')),
    key: readFileSync(join(directory, 'key.pem')),
  };
}
