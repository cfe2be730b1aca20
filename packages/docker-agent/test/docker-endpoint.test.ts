import { describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endpointProblem, parseEndpoint } from '../src/docker-endpoint.js';

describe('an endpoint', () => {
  test.each([
    ['unix:///var/run/docker.sock', { socketPath: '/var/run/docker.sock' }],
    ['tcp://host1', { host: 'host1', port: 2375 }],
    ['tcp://host1:80', { host: 'host1', port: '80' }],
    ['http://host1:4000', { host: 'host1', port: '4000' }],
    // As a URL has it, which dockerode makes again.
    ['tcp://[2001:db8::1]:2375', { host: '[2001:db8::1]', port: '2375' }],
  ])('%s is plain', (text, options) => {
    const endpoint = parseEndpoint(text, {});
    expect(endpoint).toMatchObject({ protocol: 'http', ...options });
    expect(endpoint.agent).toBeInstanceOf(http.Agent);
  });

  test.each([
    ['tcp://host1:2376', {}, { host: 'host1', port: '2376' }],
    ['https://host1', {}, { host: 'host1', port: 2376 }],
    ['https://host1:443/', {}, { host: 'host1', port: 2376 }],
  ])('%s is by TLS', (text, env, options) => {
    const endpoint = parseEndpoint(text, env);
    expect(endpoint).toMatchObject({ protocol: 'https', ...options });
    expect(endpoint.agent).toBeInstanceOf(https.Agent);
  });

  test.each([
    '/var/run/docker.sock',
    'unix://docker.sock',
    'tcp://',
    'npipe:////./pipe/docker',
    'tcp://host1:99999',
    'tcp://2001:db8::1:2375',
  ])('%s is none', (text) => {
    expect(endpointProblem(text)).toBe('unix:///PATH or tcp://HOST:PORT');
    expect(() => parseEndpoint(text, {})).toThrow('expected unix:///PATH or tcp://HOST:PORT');
  });

  test('ssh:// is none, and it is said what to do instead', () => {
    expect(endpointProblem('ssh://host1')).toContain('ssh -nNT -L /run/docker-remote.sock:/var/run/docker.sock HOST');
  });

  test('certificates are where Docker’s own client looks for them', () => {
    const home = mkdtempSync(join(tmpdir(), 'certificates-'));
    try {
      for (const name of ['ca', 'cert', 'key']) writeFileSync(join(home, `${name}.pem`), name);
      const [ca, cert, key] = ['ca', 'cert', 'key'].map((text) => Buffer.from(text));
      const env = { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: home };
      expect(parseEndpoint('tcp://host1', env)).toMatchObject({ port: 2376, ca, cert, key });
      expect(() => parseEndpoint('tcp://host1', { DOCKER_TLS_VERIFY: '1', HOME: home })).toThrow('/.docker/ca.pem');
      // Without them it is checked who answers, by the machine's own authorities.
      expect(parseEndpoint('tcp://host1:2376', {}).ca).toBeUndefined();
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});
