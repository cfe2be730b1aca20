// oxlint-disable jest/expect-expect -- `until` throws where what it waits for does not come
/** What becomes of registrations, and of reading, where etcd knows users and does not let them do everything. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type EtcdOptions, openSource, openTree, RefusedError } from '@clusterf/store';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { startGrpcProxy } from '../../../test/fixtures/grpc-proxy.js';
import { until } from '../../../test/fixtures/until.js';
import { map, open, type Opened, soon } from './opened.js';
import { read } from './reader.js';
import { addUser, askForUsers, grant, revoke } from './users.js';

const CLAIM = { path: 'hosts/h/status', value: '{}' };

let etcd: EtcdProcess;
let directory: string;
beforeAll(async () => {
  etcd = await startEtcd();
  directory = await mkdtemp(join(tmpdir(), 'clusterf-refused-'));
  await askForUsers(etcd);
});
afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

/** A Docker host's agent, whose user may read its tree and write these keys, or all that begin so if they end in a slash. */
async function host(tree: string, ...writable: readonly string[]): Promise<Opened> {
  const options = await addUser(etcd, directory, tree, [
    { access: 'READ', key: `/${tree}/`, prefix: true },
    ...writable.map((key) => ({ access: 'WRITE' as const, key: `/${tree}/${key}`, prefix: key.endsWith('/') })),
  ]);
  return open(etcd.host, `/${tree}`, { claim: CLAIM, etcd: options });
}

function backends(service: string, count: number): readonly (readonly [string, string])[] {
  return Array.from({ length: count }, (_, i) => [`services/${service}/backends/${i}`, '1'] as const);
}

function userOf(tree: string): EtcdOptions {
  return { user: tree, passwordFile: join(directory, `${tree}.password`) };
}

/** All that was told of as refused, and why. */
function refusals({ events }: Opened): Record<string, string> {
  const told = events.flatMap((event) => (event.type === 'refused' ? [...event.keys] : []));
  return Object.fromEntries(told.map(([key, { message }]) => [key, message]));
}

describe('a key that the user may not write', () => {
  test('is told of with user, roles and what would help, and keeps no other from being written', async () => {
    await using opened = await host('some', 'hosts/h/status', 'services/web/backends/');
    const { registrations } = opened;
    const wanted = { 'services/web/backends/a': '1', 'services/db/backends/b': '1', 'services/web/backends/c': '1' };
    registrations.publish(map({ ...wanted, 'routes/h-lan-ipv4': '1' }));
    await registrations.settled(soon());
    expect(await etcd.read('/some/services/')).toEqual({
      '/some/services/web/backends/a': '1',
      '/some/services/web/backends/c': '1',
    });
    expect(refusals(opened)).toEqual({
      'services/db/backends/b':
        'permission denied: user "some" (roles: some) may not write /some/services/db/backends/b; the role for it is some-backends, ' +
        'and "clusterf etcd-roles --etcd-prefix /some --service db" prints the commands that grant it',
      'routes/h-lan-ipv4':
        'permission denied: user "some" (roles: some) may not write /some/routes/h-lan-ipv4; the role for it is some-host-h, ' +
        'and "clusterf etcd-roles --etcd-prefix /some --host h --routes" prints the commands that grant it',
    });
    expect([...registrations.state.refused.keys()]).toEqual(['services/db/backends/b', 'routes/h-lan-ipv4']);
    expect([...registrations.state.written.keys()].toSorted()).toEqual([
      'hosts/h/status',
      'services/web/backends/a',
      'services/web/backends/c',
    ]);
    expect(opened.count('failed')).toBe(0);
  });

  test('is written once the right is granted, without a restart, and told of no second time before', async () => {
    await using opened = await host('later', 'hosts/h/status', 'services/web/backends/');
    opened.registrations.publish(map({ 'services/web/backends/a': '1', 'services/db/backends/b': '1' }));
    await opened.registrations.settled(soon());
    await grant(etcd, 'later', { access: 'WRITE', key: '/later/services/db/backends/', prefix: true });
    await until('it is written', async () => Object.keys(await etcd.read('/later/services/db/')).length === 1);
    expect(opened.registrations.state.refused.size).toBe(0);
    expect(Object.keys(refusals(opened))).toEqual(['services/db/backends/b']);
    expect(opened.count('refused')).toBe(2);
    expect(opened.events.findLast(({ type }) => type === 'refused')).toEqual({ type: 'refused', keys: new Map() });
  });

  test('that is not wanted any more is forgotten', async () => {
    await using opened = await host('unwanted', 'hosts/h/status');
    opened.registrations.publish(map({ 'services/db/backends/b': '1' }));
    await opened.registrations.settled(soon());
    opened.registrations.publish(map({}));
    await opened.registrations.settled(soon());
    expect(opened.registrations.state.refused.size).toBe(0);
    expect(opened.count('failed')).toBe(0);
  });

  test('is refused for a shared key and for a removal as well, whatever version etcd has', async () => {
    await using opened = await host('shared', 'hosts/h/status', 'services/web/backends/');
    const { registrations } = opened;
    registrations.publish(map({ 'services/web/backends/a': '1' }), { shared: map({ 'services/web/frontend': '{}' }) });
    await registrations.settled(soon());
    expect(await etcd.read('/shared/services/')).toEqual({ '/shared/services/web/backends/a': '1' });
    expect(Object.keys(refusals(opened))).toEqual(['services/web/frontend']);
    await revoke(etcd, 'shared', '/shared/services/web/backends/', true);
    registrations.publish(map({}));
    await until('the removal is refused', () => registrations.state.refused.has('services/web/backends/a'));
    expect(await etcd.read('/shared/services/')).toEqual({ '/shared/services/web/backends/a': '1' });
    await grant(etcd, 'shared', { access: 'WRITE', key: '/shared/services/', prefix: true });
    await until('it is removed', async () => Object.keys(await etcd.read('/shared/services/')).length === 0);
    expect(registrations.state.settled).toBe(true);
  });

  test('among 10,000 costs a few questions, not one for each', async () => {
    await host('many', 'hosts/h/status', 'services/web/backends/').then((opened) => opened.registrations.flush());
    await using opened = open(etcd.host, '/many', { ttl: 10_000, verify: 60_000, claim: CLAIM, etcd: userOf('many') });
    opened.registrations.publish(new Map([...backends('db', 5000), ...backends('web', 5000)]));
    const started = performance.now();
    await opened.registrations.settled(AbortSignal.timeout(60_000));
    process.stdout.write(
      `5000 of 10,000 keys refused, the others written in ${Math.round(performance.now() - started)} ms\n`,
    );
    expect(Object.keys(await etcd.read('/many/services/web/'))).toHaveLength(5000);
    expect(opened.registrations.state.refused.size).toBe(5000);
  });
});

describe('a right that is taken away', () => {
  test('to write a key that is there leaves it there, and the lease alive', async () => {
    await using opened = await host('taken', 'hosts/h/status', 'services/');
    const { registrations } = opened;
    registrations.publish(map({ 'services/web/backends/a': '1' }));
    await registrations.settled(soon());
    await revoke(etcd, 'taken', '/taken/services/', true);
    registrations.publish(map({ 'services/web/backends/a': '2' }));
    await until('it is refused', () => registrations.state.refused.size === 1);
    const since = performance.now();
    await until('the lease would have lapsed', () => performance.now() - since > 4000);
    expect(await etcd.read('/taken/services/')).toEqual({ '/taken/services/web/backends/a': '1' });
    expect(opened.count('lease lost')).toBe(0);
    await grant(etcd, 'taken', { access: 'WRITE', key: '/taken/services/', prefix: true });
    await until(
      'it is changed',
      async () => (await etcd.read('/taken/services/'))['/taken/services/web/backends/a'] === '2',
    );
  });

  test('to a key on the lease moves the others to another one, where etcd renews none of which not all may be written', async () => {
    await using proxy = await startGrpcProxy(etcd.port);
    await using opened = await host('moved', 'hosts/h/status', 'services/', 'routes/');
    await using own = open(proxy.host, '/moved', { claim: CLAIM, etcd: userOf('moved') });
    await opened.registrations.close();
    const { registrations } = own;
    registrations.publish(map({ 'services/web/backends/a': '1', 'routes/h-lan-ipv4': '1' }));
    await registrations.settled(soon());
    const lease = registrations.state.leaseId;
    await revoke(etcd, 'moved', '/moved/routes/', true);
    // etcd 3.4.23 renews whatever it is asked to.
    proxy.deny('/etcdserverpb.Lease/LeaseKeepAlive');
    await until('it has another lease', () => ![undefined, lease].includes(registrations.state.leaseId));
    proxy.speak();
    await until('what may be written is on it', () => registrations.state.settled);
    expect(Object.keys(refusals(own))).toEqual(['routes/h-lan-ipv4']);
    expect(registrations.state.refused.size).toBe(1);
    await until('what may not has lapsed', async () => Object.keys(await etcd.read('/moved/routes/')).length === 0);
    // Put by both, and never gone.
    expect(await etcd.version('/moved/services/web/backends/a')).toBe(2);
    expect(own.events.some(({ type }) => type === 'claim contested')).toBe(false);
  });

  test('to a key of many is no reason to leave the others where they are when all is to be removed', async () => {
    const opened = await host('flushed', 'hosts/h/status', 'services/', 'routes/');
    const { registrations } = opened;
    registrations.publish(map({ 'services/web/backends/a': '1', 'routes/h-lan-ipv4': '1' }));
    await registrations.settled(soon());
    await revoke(etcd, 'flushed', '/flushed/routes/', true);
    await expect(registrations.flush()).rejects.toThrow('may not write /flushed/routes/h-lan-ipv4');
    expect(Object.keys(await etcd.read('/flushed/'))).toEqual([
      '/flushed/hosts/h/status',
      '/flushed/routes/h-lan-ipv4',
    ]);
  });

  test('to the claim is told of with the key, and nothing is written until it is back', async () => {
    await using opened = await host('claim', 'services/');
    opened.registrations.publish(map({ 'services/web/backends/a': '1' }));
    await until('it has failed', () => opened.count('failed') > 0);
    expect(opened.registrations.state.lastError?.message).toBe(
      `etcd ${etcd.host}: permission denied: user "claim" (roles: claim) may not write /claim/hosts/h/status; the role for it is ` +
        'claim-host-h, and "clusterf etcd-roles --etcd-prefix /claim --host h" prints the commands that grant it',
    );
    expect(await etcd.read('/claim/')).toEqual({});
    await grant(etcd, 'claim', { access: 'WRITE', key: '/claim/hosts/h/status' });
    await opened.registrations.settled(soon());
    expect(Object.keys(await etcd.read('/claim/'))).toEqual([
      '/claim/hosts/h/status',
      '/claim/services/web/backends/a',
    ]);
  });

  test('to read the tree is told of, what was read stays, and what changed arrives when it is back', async () => {
    const options = await addUser(etcd, directory, 'reader', [{ access: 'READ', key: '/reader/', prefix: true }]);
    await etcd.put('/reader/routes/a', '1');
    const url = `etcd://${etcd.host}/reader`;
    await using reader = read(openSource(url, options));
    await reader.sees({ 'routes/a': '1' });
    await revoke(etcd, 'reader', '/reader/', true);
    await etcd.restart(); // A watch that is there already is not looked at again.
    const why =
      `etcd ${etcd.host}: permission denied: user "reader" (roles: reader) may not read /reader/; the role for it is reader-read, ` +
      'and "clusterf etcd-roles --etcd-prefix /reader" prints the commands that grant it';
    await until('it says why', () =>
      reader.events.some((event) => event.type === 'unavailable' && event.error.message === why),
    );
    expect(reader.tree).toEqual({ 'routes/a': '1' });
    await etcd.put('/reader/routes/a', '2');
    await grant(etcd, 'reader', { access: 'READ', key: '/reader/', prefix: true });
    await reader.sees({ 'routes/a': '2' });
  });
});

describe('an operator', () => {
  test('is told which entry they may not write, and that nothing was written', async () => {
    const options = await addUser(etcd, directory, 'operator', [
      { access: 'READ', key: '/operator/', prefix: true },
      { access: 'WRITE', key: '/operator/routes/', prefix: true },
    ]);
    using tree = openTree(`etcd://${etcd.host}/operator`, options);
    const attempt = tree.write(map({ 'routes/a': '1', 'services/web/frontend': '{}' }), await tree.read());
    await expect(attempt).rejects.toThrow(RefusedError);
    await expect(attempt).rejects.toThrow(
      `etcd ${etcd.host}: permission denied: user "operator" (roles: operator) may not write /operator/services/web/frontend; ` +
        'the role for it is operator-operator, and "clusterf etcd-roles --etcd-prefix /operator" prints the commands',
    );
    expect(await etcd.read('/operator/')).toEqual({});
  });

  test('who may not read the tree is told so', async () => {
    const options = await addUser(etcd, directory, 'blind', []);
    using tree = openTree(`etcd://${etcd.host}/blind`, options);
    await expect(tree.read()).rejects.toThrow(
      'permission denied: user "blind" (roles: blind) may not read /blind/; the role for it is blind-read',
    );
  });

  test('whose password is wrong is told which file to look at', async () => {
    const options = await addUser(etcd, directory, 'guess', []);
    await writeFile(options.passwordFile, 'wrong');
    using tree = openTree(`etcd://${etcd.host}/guess`, options);
    await expect(tree.read()).rejects.toThrow(
      `etcd ${etcd.host}: it does not know the user "guess" of --etcd-user with the password in --etcd-password-file ${options.passwordFile}`,
    );
  });
});
