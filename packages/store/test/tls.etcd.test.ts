// oxlint-disable jest/expect-expect -- `until` throws where what it waits for does not come
/** etcd over TLS, asking for client certificates: what is wrong is said in words, nothing is lost, nobody restarts. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdOptions, openRegistrations, openSource, openTree } from '@clusterf/store';
import { type Authority, etcdTlsFlags, type KeyPair, makeAuthority } from '../../../test/fixtures/certificates.js';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { until } from '../../../test/fixtures/until.js';
import { map, soon } from './opened.js';
import { read } from './reader.js';
import { addUser, askForUsers } from './users.js';

const SERVER = { names: 'IP:127.0.0.1', use: 'serverAuth,clientAuth' } as const;

let directory: string;
let authority: Authority;
let stranger: Authority;
let client: KeyPair;
let etcd: EtcdProcess;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-tls-'));
  authority = await makeAuthority(join(directory, 'ours'));
  stranger = await makeAuthority(join(directory, 'strangers'));
  client = await authority.issue('clusterf', { use: 'clientAuth' });
  etcd = await startEtcd(...etcdTlsFlags(await authority.issue('server', SERVER), authority.ca));
  await etcd.put('/clusterf/routes/r', '{}');
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const TREE = { 'routes/r': '{}' };

/** What a source first says that is wrong, without etcd's address; and that it takes no longer than it should. */
async function complaint(host: string, options: EtcdOptions): Promise<string> {
  const started = performance.now();
  await using reader = read(openSource(`etcd+https://${host}/clusterf`, options));
  const { error } = await reader.next('unavailable');
  expect(performance.now() - started).toBeLessThan(5000);
  expect(error.message).toContain(`etcd ${host}: `);
  return error.message.replace(`etcd ${host}: `, '');
}

test('with a certificate that etcd knows, the tree is read and registrations are written', async () => {
  const options = { ca: authority.ca, ...client };
  await using reader = read(openSource(`etcd+https://${etcd.tls.host}/clusterf`, options));
  await reader.sees(TREE);
  const registrations = openRegistrations({ url: `etcd+https://${etcd.tls.host}/written`, etcd: options, ttl: 5000 });
  registrations.publish(map({ a: '1' }));
  await registrations.settled(soon());
  expect(await etcd.read('/written/')).toEqual({ '/written/a': '1' });
  await registrations.flush();
});

describe('is told of with what to look at:', () => {
  test('an authority that has not signed etcd’s certificate', async () => {
    expect(await complaint(etcd.tls.host, { ca: stranger.ca, ...client })).toBe(
      `its certificate is signed by none of the authorities in --etcd-ca ${stranger.ca} (unable to verify the first certificate)`,
    );
  });

  test('no authority given for a certificate that the world does not know', async () => {
    expect(await complaint(etcd.tls.host, client)).toBe(
      'its certificate is signed by no authority known here (unable to verify the first certificate); ' +
        "expected the authority's certificate as --etcd-ca FILE",
    );
  });

  test('no client certificate', async () => {
    expect(await complaint(etcd.tls.host, { ca: authority.ca })).toBe(
      'it asks for a client certificate (TLS alert: bad certificate); expected --etcd-cert and --etcd-key',
    );
  });

  test('a client certificate of somebody else’s', async () => {
    const foreign = await stranger.issue('clusterf', { use: 'clientAuth' });
    expect(await complaint(etcd.tls.host, { ca: authority.ca, ...foreign })).toBe(
      `it does not take the client certificate in --etcd-cert ${foreign.cert} (TLS alert: bad certificate); ` +
        'expected one that an authority in its --trusted-ca-file has signed, for clients',
    );
  });

  test('a client certificate that has expired', async () => {
    const expired = await authority.issue('expired', { use: 'clientAuth', days: -1 });
    expect(await complaint(etcd.tls.host, { ca: authority.ca, ...expired })).toMatch(
      /^it does not take the client certificate in --etcd-cert \S+expired-cert\.pem, which expired on 20\S+Z \(TLS alert: bad certificate\)$/,
    );
  });

  test('a key that is not the certificate’s', async () => {
    const other = await authority.issue('other', { use: 'clientAuth' });
    expect(await complaint(etcd.tls.host, { ca: authority.ca, cert: client.cert, key: other.key })).toBe(
      `--etcd-key ${other.key}: it is not the key of the certificate in --etcd-cert ${client.cert}`,
    );
  });

  test('files that are missing, or not what they should be', async () => {
    const [missing, text] = [join(directory, 'missing.pem'), join(directory, 'text.pem')];
    await writeFile(text, 'no PEM');
    const all = { ca: authority.ca, ...client };
    for (const [options, words] of [
      [{ ca: missing }, `--etcd-ca ${missing}: there is no such file`],
      [{ cert: directory }, `--etcd-cert ${directory}: it is a directory; expected a file`],
      [
        { ca: text },
        `--etcd-ca ${text}: it holds no certificate; expected PEM, which begins -----BEGIN CERTIFICATE-----`,
      ],
      [
        { cert: text },
        `--etcd-cert ${text}: it holds no certificate; expected PEM, which begins -----BEGIN CERTIFICATE-----`,
      ],
      [
        { key: text },
        `--etcd-key ${text}: it holds no private key that can be used; expected PEM, without a passphrase`,
      ],
    ] as const) {
      expect(await complaint(etcd.tls.host, { ...all, ...options })).toBe(words);
    }
  });

  test('etcd asked by a name that its certificate does not have', async () => {
    const names = { names: 'DNS:etcd.example', use: 'serverAuth,clientAuth' } as const;
    await using other = await startEtcd(...etcdTlsFlags(await authority.issue('elsewhere', names)));
    expect(await complaint(other.tls.host, { ca: authority.ca })).toBe(
      "its certificate is for other names than the one it is asked by (Hostname/IP does not match certificate's altnames: " +
        "IP: 127.0.0.1 is not in the cert's list:); expected one of those in --config-source or --etcd-host",
    );
  });

  test('etcd’s certificate having expired', async () => {
    await using other = await startEtcd(...etcdTlsFlags(await authority.issue('old', { ...SERVER, days: -1 })));
    expect(await complaint(other.tls.host, { ca: authority.ca })).toBe(
      'its certificate has expired (certificate has expired); renew it where etcd runs',
    );
  });

  test('an etcd that speaks plain HTTP', async () => {
    expect(await complaint(etcd.host, { ca: authority.ca })).toBe(
      'it does not answer in TLS (Client network socket disconnected before secure TLS connection was established); ' +
        'if it is meant to do without, expected etcd+http:// or --etcd-scheme http',
    );
  });

  test('an etcd that speaks TLS, asked in plain HTTP', async () => {
    const url = `etcd+http://${etcd.tls.host}/clusterf`;
    const message =
      `etcd ${etcd.tls.host}: it hangs up at once (Failed to connect); ` +
      'if it is meant to be asked by https, expected etcd+https:// or --etcd-scheme https';
    await using reader = read(openSource(url));
    expect((await reader.next('unavailable')).error.message).toBe(message);
    using tree = openTree(url);
    await expect(tree.read()).rejects.toThrow(message);
  });

  test('an authority that registrations do not find', async () => {
    const registrations = openRegistrations({
      url: `etcd+https://${etcd.tls.host}/never`,
      etcd: { ca: stranger.ca, ...client },
      ttl: 5000,
    });
    registrations.publish(map({ a: '1' }));
    const error = await until('it has failed', () => registrations.state.lastError);
    expect(error.message).toContain(`signed by none of the authorities in --etcd-ca ${stranger.ca}`);
    await registrations.close();
  });
});

test('certificates that are renewed in their files, on both sides and by another authority, are taken without a restart', async () => {
  const mine = join(directory, 'mine');
  await mkdir(mine);
  const files = { ca: join(mine, 'ca.pem'), cert: join(mine, 'cert.pem'), key: join(mine, 'key.pem') };
  const server = { cert: join(mine, 'server.pem'), key: join(mine, 'server-key.pem') };
  const issue = async (by: Authority) => {
    const [ours, its] = [await by.issue('clusterf', { use: 'clientAuth' }), await by.issue('server', SERVER)];
    const copy = { [by.ca]: files.ca, [ours.cert]: files.cert, [ours.key]: files.key };
    return {
      client: async () => await Promise.all(Object.entries(copy).map(async ([from, to]) => await copyFile(from, to))),
      server: async () => await Promise.all([copyFile(its.cert, server.cert), copyFile(its.key, server.key)]),
    };
  };
  const before = await issue(authority);
  await Promise.all([before.client(), before.server()]);
  // It trusts whom we trust.
  await using own = await startEtcd(...etcdTlsFlags(server, files.ca));
  await own.put('/clusterf/routes/r', '{}');
  const url = `etcd+https://${own.tls.host}/clusterf`;
  await using reader = read(openSource(url, files), 20_000);
  await reader.sees(TREE);
  const registrations = openRegistrations({ url, etcd: files, ttl: 20_000 });
  registrations.publish(map({ a: '1' }));
  await registrations.settled(soon());

  const after = await issue(await makeAuthority(join(directory, 'next')));
  await own.stop();
  await Promise.all([after.client(), after.server()]);
  await own.start();
  await own.put('/clusterf/routes/r', '{"Priority":1}');
  await reader.sees({ 'routes/r': '{"Priority":1}', a: '1' });
  registrations.publish(map({ a: '2' }));
  await registrations.settled(soon());
  await registrations.close();
});

test('a file that is put right is taken without a restart', async () => {
  const ca = join(directory, 'late.pem');
  await using reader = read(openSource(`etcd+https://${etcd.tls.host}/clusterf`, { ca, ...client }));
  await reader.next('unavailable');
  await copyFile(stranger.ca, ca);
  await until('another reason', () => reader.events.length > 1);
  await copyFile(authority.ca, ca);
  await reader.sees(TREE);
});

test('a certificate names the user, where etcd has users and no password is given', async () => {
  await using own = await startEtcd(...etcdTlsFlags(await authority.issue('own', SERVER), authority.ca));
  await askForUsers(own);
  await own.put('/clusterf/routes/r', '{}');
  const url = `etcd+https://${own.tls.host}/clusterf`;
  const options = { ca: authority.ca, ...client };
  await using reader = read(openSource(url, options));
  expect((await reader.next('unavailable')).error.message).toBe(
    `etcd ${own.tls.host}: etcd has no user "clusterf", whom the client certificate names as its CN; ` +
      'etcdctl user add --no-password makes one',
  );
  await addUser(own, directory, 'clusterf', [{ access: 'READ', key: '/clusterf/', prefix: true }]);
  await reader.sees(TREE);
});
