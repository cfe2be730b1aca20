import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Dockerd, startDockerd } from '../../../test/fixtures/dockerd.js';
import { startProxy } from '../../../test/fixtures/proxy.js';
import { bridgeSocket } from '../../../test/fixtures/socketBridge.js';
import { until } from '../../../test/fixtures/until.js';
import { Observer, PATIENCE } from './observer.js';

let dockerd: Dockerd;

beforeAll(async () => {
  dockerd = await startDockerd();
});
afterAll(async () => {
  await dockerd[Symbol.asyncDispose]();
});

/** Runs a container of the service, named like it. Its only process has no handlers, so signals but KILL leave it be. */
function run(service: string, ...args: readonly string[]): Promise<string> {
  const labels = ['--label', `clusterf.service=${service}`, '--label', 'clusterf.backend.tcp=80'];
  return dockerd.runContainer(['--name', service, ...labels, ...args]);
}

/** Makes an event that is seen after all before it, and waits until it has been. */
async function settle(observer: Observer, service: string): Promise<void> {
  const name = `${service}-renamed`;
  await dockerd.docker('rename', service, name);
  await until(`the new name ${name} is seen`, () => observer.backend(service)?.container === name, PATIENCE);
  await dockerd.docker('rename', name, service);
}

describe('states of a container', () => {
  test('a running one is registered with its address, and removed when it ends', async () => {
    await using observer = new Observer(dockerd.endpoint);
    await observer.listed();
    const id = await run('running');
    await observer.hasWeight('running', 10);
    const ipv4 = await dockerd.docker('inspect', '--format', '{{.NetworkSettings.IPAddress}}', id);
    expect(observer.backend('running')).toEqual({ ipv4, tcp: 80, weight: 10, host: 'host1', container: 'running' });
    expect([...(observer.registered?.entries.keys() ?? [])]).toContain(`services/running/backends/${id}`);

    await dockerd.docker('stop', '--time', '0', id);
    await observer.isGone('running');
    await dockerd.docker('start', id);
    await observer.hasWeight('running', 10);
    await dockerd.docker('rm', '--force', id);
    await observer.isGone('running');
  });

  test('one that runs already when the agent starts is found by the listing', async () => {
    await run('before');
    await using observer = new Observer(dockerd.endpoint);
    await observer.listed();
    expect(observer.weight('before')).toBe(10);
  });

  test('one that ends by itself is removed; one that was only created is never registered', async () => {
    await using observer = new Observer(dockerd.endpoint);
    await observer.listed();
    await dockerd.docker(
      'create',
      '--label',
      'clusterf.service=created',
      '--label',
      'clusterf.backend.tcp=80',
      'busybox',
      'sleep',
      '1',
    );
    await dockerd.runContainer(
      ['--label', 'clusterf.service=brief', '--label', 'clusterf.backend.tcp=80', '--name', 'brief'],
      ['sh', '-c', 'until [ -f /end ]; do sleep 0.1; done'],
    );
    await observer.hasWeight('brief', 10);
    await dockerd.docker('exec', 'brief', '/bin/busybox', 'touch', '/end');
    await observer.isGone('brief');
    expect(observer.backend('created')).toBeUndefined();
  });

  test('one that Docker restarts again and again is not registered while it waits for that', async () => {
    await using observer = new Observer(dockerd.endpoint);
    await observer.listed();
    const labels = ['--label', 'clusterf.service=crashes', '--label', 'clusterf.backend.tcp=80'];
    const id = await dockerd.runContainer([...labels, '--restart', 'always'], ['sh', '-c', 'sleep 0.2; exit 1']);
    await observer.hasWeight('crashes', 10);
    await until(
      'Docker waits before the next restart, and nothing is registered',
      async () =>
        observer.backend('crashes') === undefined &&
        (await dockerd.docker('inspect', '--format', '{{.State.Status}}', id)) === 'restarting',
      PATIENCE,
    );
    await dockerd.docker('rm', '--force', id);
    expect(observer.inspected).toContain(id);
  });

  test('one that crashes again and again before --min-uptime is never registered; one that stays is, from then on', async () => {
    await using observer = new Observer(dockerd.endpoint, { minUptime: 2_000 });
    await observer.listed();
    const labels = ['--label', 'clusterf.service=loops', '--label', 'clusterf.backend.tcp=80', '--name', 'loops'];
    await dockerd.runContainer([...labels, '--restart', 'always'], ['sh', '-c', 'sleep 0.2; exit 1']);
    const id = await run('lives');
    await observer.hasWeight('lives', 10);
    const now = Date.now();
    const startedAt = await dockerd.docker('inspect', '--format', '{{.State.StartedAt}}', id);
    expect(now - Date.parse(startedAt)).toBeGreaterThanOrEqual(2_000);
    await until(
      'the other one has been restarted some times',
      async () => Number(await dockerd.docker('inspect', '--format', '{{.RestartCount}}', 'loops')) >= 4,
      PATIENCE,
    );
    await dockerd.docker('rm', '--force', 'loops');
    expect(observer.weights('loops')).toEqual([undefined]);

    // An agent that starts later knows by Docker's clock, which it hears to the second, that it has run for long enough.
    await until('another second has passed', () => Date.now() - Date.parse(startedAt) >= 3_000);
    await using second = new Observer(dockerd.endpoint, { minUptime: 2_000 });
    await second.listed();
    expect(second.weight('lives')).toBe(10);
  });

  test('one that is restarted is drained, away for as long as Docker says so, and back at once', async () => {
    await using observer = new Observer(dockerd.endpoint);
    const id = await run('restarted');
    await observer.hasWeight('restarted', 10);
    observer.history.splice(0, observer.history.length - 1);
    await dockerd.docker('restart', '--time', '0', id);
    await settle(observer, 'restarted');
    // Where Docker is quick, it is back before anybody asked whether it is away.
    expect(observer.weights('restarted').filter((weight) => weight !== undefined)).toEqual([10, 0, 10]);
  });

  test('one that Docker removes when it ends goes like any other', async () => {
    await using observer = new Observer(dockerd.endpoint);
    const id = await run('auto-removed', '--rm');
    await observer.hasWeight('auto-removed', 10);
    await dockerd.docker('kill', id);
    await observer.isGone('auto-removed');
    expect(await dockerd.docker('ps', '--all', '--quiet', '--filter', 'name=auto-removed')).toBe('');
  });

  test('one whose child is killed for lack of memory goes on as before', async () => {
    await using observer = new Observer(dockerd.endpoint);
    await observer.listed();
    const labels = ['--label', 'clusterf.service=oom', '--label', 'clusterf.backend.tcp=80', '--name', 'oom'];
    const child = '/bin/busybox dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 100000';
    await dockerd.runContainer([...labels, '--memory', '20m', '--memory-swap', '20m'], ['sh', '-c', child]);
    await until(
      'Docker tells that its memory ran out, if this kernel limits it',
      async () =>
        (await dockerd.docker('info', '--format', '{{.MemoryLimit}}')) === 'false' ||
        (await dockerd.docker('events', '--since', '60s', '--until', '0s', '--filter', 'event=oom')).includes('oom'),
      PATIENCE,
    );
    await observer.hasWeight('oom', 10);
    await settle(observer, 'oom');
    expect(observer.weights('oom').slice(1)).toEqual([10]);
    await dockerd.docker('rm', '--force', 'oom');
  });

  test('a health check decides: 0 while starting, the weight while healthy, 0 while unhealthy', async () => {
    await using observer = new Observer(dockerd.endpoint);
    await observer.listed();
    const check = ['--health-interval', '0.5s', '--health-retries', '1', '--health-start-period', '60s'];
    const id = await run('checked', '--health-cmd', '[ -f /ok ]', ...check);
    await observer.hasWeight('checked', 0);
    expect(await dockerd.docker('inspect', '--format', '{{.State.Health.Status}}', id)).toBe('starting');
    await dockerd.docker('exec', id, '/bin/busybox', 'touch', '/ok');
    await observer.hasWeight('checked', 10);
    await dockerd.docker('exec', id, '/bin/busybox', 'rm', '/ok');
    await observer.hasWeight('checked', 0);
    expect(await dockerd.docker('inspect', '--format', '{{.State.Health.Status}}', id)).toBe('unhealthy');
    // Its checks, two processes a second, would slow down all tests after this one.
    await dockerd.docker('rm', '--force', id);
  });

  test('a paused one has weight 0, for an agent that starts meanwhile too', async () => {
    await using observer = new Observer(dockerd.endpoint);
    await run('paused');
    await observer.hasWeight('paused', 10);
    await dockerd.docker('pause', 'paused');
    await observer.hasWeight('paused', 0);
    await using second = new Observer(dockerd.endpoint);
    await second.listed();
    expect(second.weight('paused')).toBe(0);
    await dockerd.docker('unpause', 'paused');
    await observer.hasWeight('paused', 10);
    await second.hasWeight('paused', 10);
  });
});

describe('signals', () => {
  test('SIGTERM drains, through later inspects and an agent restart, until the container starts again', async () => {
    await using observer = new Observer(dockerd.endpoint);
    const id = await run('term');
    await observer.hasWeight('term', 10);
    const inspects = observer.inspected.length;
    await dockerd.docker('kill', '--signal', 'TERM', id);
    await observer.hasWeight('term', 0);
    expect(observer.inspected.length).toBe(inspects);

    await settle(observer, 'term');
    expect(observer.weight('term')).toBe(0);
    await using second = new Observer(dockerd.endpoint);
    await second.hasWeight('term', 0);

    await dockerd.docker('restart', '--time', '0', id);
    await observer.hasWeight('term', 10);
    await second.hasWeight('term', 10);
  });

  test('the weight is 0 for as long as docker stop waits', async () => {
    await using observer = new Observer(dockerd.endpoint);
    await run('stopping');
    await observer.hasWeight('stopping', 10);
    const stopped = dockerd.docker('stop', '--time', '100', 'stopping');
    await observer.hasWeight('stopping', 0);
    expect(await dockerd.docker('inspect', '--format', '{{.State.Status}}', 'stopping')).toBe('running');
    await dockerd.docker('kill', 'stopping');
    await stopped;
    await observer.isGone('stopping');
  });

  test('only its own stop signal drains a container; HUP, USR1 and somebody else’s TERM do not', async () => {
    await using observer = new Observer(dockerd.endpoint);
    const id = await run('quits', '--stop-signal', 'SIGQUIT');
    await observer.hasWeight('quits', 10);
    for (const signal of ['HUP', 'USR1', 'TERM']) await dockerd.docker('kill', '--signal', signal, id);
    await settle(observer, 'quits');
    expect(observer.weight('quits')).toBe(10);
    await dockerd.docker('kill', '--signal', 'QUIT', id);
    await observer.hasWeight('quits', 0);
  });

  test('a label that hides which signal was sent: no signal drains, not even one that the label claims, and it is said', async () => {
    await using observer = new Observer(dockerd.endpoint);
    const id = await run('hides', '--label', 'signal=15');
    await observer.hasWeight('hides', 10);
    for (const signal of ['HUP', 'TERM']) await dockerd.docker('kill', '--signal', signal, id);
    await settle(observer, 'hides');
    expect(observer.weights('hides').slice(-1)).toEqual([10]);
    expect(observer.registered?.problems).toContainEqual(
      expect.objectContaining({ key: expect.stringMatching(/ signal$/) }),
    );
  });

  test('a real-time stop signal counts as Docker counts it', async () => {
    await using observer = new Observer(dockerd.endpoint);
    const id = await run('realtime', '--stop-signal', 'SIGRTMIN+3');
    await observer.hasWeight('realtime', 10);
    await dockerd.docker('kill', '--signal', 'RTMIN+3', id);
    await observer.hasWeight('realtime', 0);
    expect(await dockerd.docker('inspect', '--format', '{{.State.Status}}', id)).toBe('running');
  });
});

describe('what else changes', () => {
  test('a new name is registered, and update asks Docker anew', async () => {
    await using observer = new Observer(dockerd.endpoint);
    const id = await run('renamed');
    await observer.hasWeight('renamed', 10);
    await dockerd.docker('rename', 'renamed', 'renamed-2');
    await until('the new name is registered', () => observer.backend('renamed')?.container === 'renamed-2', PATIENCE);
    observer.inspected.length = 0;
    await dockerd.docker('update', '--cpu-shares', '512', id);
    await until('it is inspected again', () => observer.inspected.includes(id), PATIENCE);
    expect(observer.weight('renamed')).toBe(10);
  });

  test('connecting and disconnecting a network changes the address', async () => {
    await dockerd.docker('network', 'create', '--ipv6', '--subnet', '10.99.0.0/24', '--subnet', 'fd99::/64', 'back');
    await using observer = new Observer(dockerd.endpoint, { routeNetworks: ['back'], routeMethod: 'masq' });
    const id = await run('connected', '--label', 'clusterf.backend.network=back');
    await until(
      'the missing network is a problem',
      () => observer.registered?.problems.some(({ key }) => key === 'connected clusterf.backend.network'),
      PATIENCE,
    );
    expect(observer.backend('connected')).toBeUndefined();
    await dockerd.docker('network', 'connect', '--ip', '10.99.0.7', '--ip6', 'fd99::7', 'back', id);
    await until('it is registered', () => observer.backend('connected')?.ipv4 === '10.99.0.7', PATIENCE);
    expect(observer.backend('connected')?.ipv6).toBe('fd99::7');
    expect(Object.fromEntries(observer.registered?.entries ?? [])).toMatchObject({
      'routes/host1-back-ipv4': '{"Prefix":"10.99.0.0/24","IPVSMethod":"masq"}',
      'routes/host1-back-ipv6': '{"Prefix":"fd99::/64","IPVSMethod":"masq"}',
    });
    await dockerd.docker('network', 'disconnect', 'back', id);
    await observer.isGone('connected');
  });

  test('events of a container without our labels cause no question to Docker', async () => {
    await using observer = new Observer(dockerd.endpoint);
    await observer.listed();
    const stranger = await dockerd.runContainer(['--name', 'stranger', '--label', 'traefik.enable=true']);
    await dockerd.docker('pause', stranger);
    await dockerd.docker('rm', '--force', stranger);
    await run('ours');
    await observer.hasWeight('ours', 10);
    expect(observer.inspected).not.toContain(stranger);
  });
});

describe('when Docker is lost', () => {
  test('a cut event stream changes nothing, and what happened meanwhile is caught up with', async () => {
    await using bridge = await bridgeSocket(dockerd.socketPath);
    await using proxy = await startProxy(bridge.port);
    await run('stays');
    const ends = await run('ends');
    const drains = await run('drains');
    await using observer = new Observer(`tcp://${proxy.host}`);
    await observer.hasWeight('stays', 10);

    proxy.refuse();
    await dockerd.docker('stop', '--time', '0', ends);
    await dockerd.docker('kill', '--signal', 'TERM', drains);
    await run('begins');
    expect(['stays', 'ends', 'drains'].map((service) => observer.weight(service))).toEqual([10, 10, 10]);

    proxy.pass();
    await observer.hasWeight('begins', 10);
    await observer.isGone('ends');
    await observer.hasWeight('drains', 0);
    expect(observer.weight('stays')).toBe(10);
  });
});
