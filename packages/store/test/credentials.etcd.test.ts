import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdOptions, openRegistrations, openSource, type SourceEvent } from '@clusterf/store';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';

let etcd: EtcdProcess;
let directory: string;
beforeAll(async () => {
  etcd = await startEtcd();
  await etcd.put('/clusterf/routes/r', '{}');
  directory = await mkdtemp(join(tmpdir(), 'clusterf-credentials-'));
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

/** What the source says first. */
async function first(url: string, options: EtcdOptions): Promise<SourceEvent> {
  const stop = new AbortController();
  for await (const event of openSource(url, options).events(stop.signal)) {
    stop.abort();
    return event;
  }
  throw new Error('no event');
}

const TREE = { type: 'snapshot', entries: new Map([['routes/r', '{}']]) };

describe('by TLS', () => {
  test('etcd is read where its authority is known', async () => {
    expect(await first(`etcd+https://${etcd.tls.host}/clusterf`, { ca: etcd.tls.ca })).toEqual(TREE);
    expect(await first(`etcd://${etcd.tls.host}/clusterf`, { scheme: 'https', ca: etcd.tls.ca })).toEqual(TREE);
  });

  test('etcd with a certificate of an authority nobody named is unavailable', async () => {
    expect(await first(`etcd+https://${etcd.tls.host}/clusterf`, {})).toMatchObject({ type: 'unavailable' });
  });

  test('a file of authorities that is not there is named', async () => {
    const event = await first(`etcd+https://${etcd.tls.host}/clusterf`, { ca: join(directory, 'missing.pem') });
    expect(event).toMatchObject({ type: 'unavailable', error: { message: expect.stringContaining('missing.pem') } });
  });

  test('registrations are written', async () => {
    const registrations = openRegistrations({
      url: `etcd+https://${etcd.tls.host}/tls`,
      etcd: { ca: etcd.tls.ca },
      ttl: 5000,
    });
    registrations.publish(new Map([['a', '1']]));
    await registrations.settled(AbortSignal.timeout(10_000));
    expect(await etcd.read('/tls/')).toEqual({ '/tls/a': '1' });
    await registrations.close();
  });
});

describe('with authentication on', () => {
  const ROOT = { name: 'root', password: 'secret' };
  beforeAll(async () => {
    await etcd.call('auth/user/add', ROOT);
    await etcd.call('auth/role/add', { name: 'root' });
    await etcd.call('auth/user/grant', { user: 'root', role: 'root' });
    await etcd.call('auth/enable', {});
    await writeFile(join(directory, 'password'), `${ROOT.password}\n`);
    await writeFile(join(directory, 'wrong'), 'guess');
  });

  test('user and password let in', async () => {
    const options = { user: 'root', passwordFile: join(directory, 'password') };
    expect(await first(`etcd://${etcd.host}/clusterf`, options)).toEqual(TREE);
  });

  test.each([
    ['a wrong password', { user: 'root', passwordFile: 'wrong' }],
    ['no user', {}],
  ])('%s does not', async (_, { passwordFile, ...options }: EtcdOptions) => {
    const file = passwordFile === undefined ? {} : { passwordFile: join(directory, passwordFile) };
    expect(await first(`etcd://${etcd.host}/clusterf`, { ...options, ...file })).toMatchObject({ type: 'unavailable' });
  });
});
