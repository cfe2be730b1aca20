// oxlint-disable jest/expect-expect -- `until` throws where what it waits for does not come
/** etcd knows a user by a token, which ends: of itself, with etcd, with the password, when rights change. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type EtcdOptions,
  etcdSource,
  openRegistrations,
  parseSourceUrl,
  type RegistrationEvent,
} from '@clusterf/store';
import { type EtcdProcess, startEtcd } from '../../../test/fixtures/etcd.js';
import { until } from '../../../test/fixtures/until.js';
import { map, soon } from './opened.js';
import { type Reader, read } from './reader.js';
import { addUser, askForUsers, grant } from './users.js';

/** Seconds; etcd takes no less. */
const TOKEN_TTL = 1;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clusterf-tokens-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

/** Reads and registers so seldom that every token has ended in between. */
class Agent implements AsyncDisposable {
  readonly events: RegistrationEvent[] = [];
  readonly reader: Reader;
  readonly registrations;

  constructor(etcd: EtcdProcess, options: EtcdOptions) {
    const url = `etcd://${etcd.host}/clusterf`;
    const location = parseSourceUrl(url);
    if (location.type !== 'etcd') throw new Error('no etcd');
    const backoff = { first: 20, most: 200 };
    this.reader = read(etcdSource(location, options, { watchdog: 1500 * TOKEN_TTL, backoff }));
    const timing = { verify: 3500 * TOKEN_TTL, renew: 2500 * TOKEN_TTL, backoff };
    const onEvent = (event: RegistrationEvent) => this.events.push(event);
    this.registrations = openRegistrations({ url, etcd: options, ttl: 20_000, timing, onEvent });
  }

  /** What went wrong. */
  get troubles(): readonly string[] {
    return [
      ...this.events.flatMap((event) =>
        event.type === 'failed' || event.type === 'lease lost' ? [event.error.message] : [],
      ),
      ...this.reader.events.flatMap((event) => (event.type === 'unavailable' ? [event.error.message] : [])),
    ];
  }

  async writes(value: string): Promise<void> {
    this.registrations.publish(map({ a: value }));
    await this.registrations.settled(soon());
    await this.reader.sees({ a: value });
  }

  async [Symbol.asyncDispose]() {
    await this.registrations.close();
    await this.reader.stop();
  }
}

async function user(etcd: EtcdProcess, name: string) {
  return await addUser(etcd, directory, name, [{ access: 'READWRITE', key: '/clusterf/', prefix: true }]);
}

async function elapsed(milliseconds: number): Promise<void> {
  const since = performance.now();
  await until(`${milliseconds} ms have passed`, () => performance.now() - since > milliseconds);
}

async function jwt(): Promise<string> {
  const [key, pub] = [join(directory, 'jwt.pem'), join(directory, 'jwt.pub')];
  await promisify(execFile)('openssl', ['genrsa', '-out', key, '2048']);
  await promisify(execFile)('openssl', ['rsa', '-in', key, '-pubout', '-out', pub]);
  return `jwt,pub-key=${pub},priv-key=${key},sign-method=RS256,ttl=${TOKEN_TTL}s`;
}

describe.each([
  ['simple tokens', async () => ['--auth-token', 'simple', '--auth-token-ttl', String(TOKEN_TTL)]],
  ['JWT', async () => ['--auth-token', await jwt()]],
])('with %s', (_, args) => {
  let etcd: EtcdProcess;
  beforeAll(async () => {
    etcd = await startEtcd(...(await args()));
    await askForUsers(etcd);
  });
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
  });

  test('an agent goes on past the end of many tokens, without a word', async () => {
    await using agent = new Agent(etcd, await user(etcd, 'long'));
    await agent.writes('0');
    for (const value of ['1', '2', '3']) {
      await elapsed(TOKEN_TTL * 2000);
      await agent.writes(value);
    }
    await elapsed(TOKEN_TTL * 4000); // A look at the keys, and one at the watch.
    expect(agent.troubles).toEqual([]);
    expect(agent.reader.events.filter(({ type }) => type === 'snapshot')).toHaveLength(1);
  });

  test('rights that change meanwhile cost nothing', async () => {
    await using agent = new Agent(etcd, await user(etcd, 'changing'));
    await agent.writes('0');
    await grant(etcd, 'changing', { access: 'READ', key: '/other' });
    await agent.writes('1');
    expect(agent.registrations.state).toMatchObject({ settled: true });
  });

  test('an etcd that restarts, and has forgotten the tokens, is asked for new ones', async () => {
    await using agent = new Agent(etcd, await user(etcd, 'restarted'));
    await agent.writes('0');
    await etcd.restart();
    await agent.writes('1');
  });

  test('a password that is changed keeps what is known in force until the file has the new one', async () => {
    const options = await user(etcd, 'password');
    await using agent = new Agent(etcd, options);
    await agent.writes('0');
    await etcd.call('auth/user/changepw', { name: 'password', password: 'another' });
    agent.registrations.publish(map({ a: '1' }));
    const why =
      `etcd ${etcd.host}: it does not know the user "password" of --etcd-user with the password in --etcd-password-file ` +
      `${options.passwordFile} (etcdserver: authentication failed, invalid user ID or password)`;
    await until('both say why', () => agent.troubles.filter((message) => message === why).length === 2);
    expect(agent.reader.tree).toEqual({ a: '0' });
    await writeFile(options.passwordFile, 'another');
    await agent.registrations.settled(soon());
    await agent.reader.sees({ a: '1' });
    expect(agent.events.some(({ type }) => type === 'lease lost')).toBe(false);
  });
});

test('an agent with a user goes on before etcd asks for users, when it begins to and when it no longer does', async () => {
  await using etcd = await startEtcd();
  await using agent = new Agent(etcd, { user: 'early', passwordFile: join(directory, 'early.password') });
  await writeFile(join(directory, 'early.password'), 'password-of-early');
  await agent.writes('0');
  await user(etcd, 'early');
  await askForUsers(etcd);
  await agent.writes('1');
  await etcd.call('auth/disable', {});
  await agent.writes('2');
});
