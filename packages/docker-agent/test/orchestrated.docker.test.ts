import { parseKey } from '@clusterf/model';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Dockerd, startDockerd } from '../../../test/fixtures/dockerd.js';
import { until } from '../../../test/fixtures/until.js';
import { Observer, PATIENCE, type Value } from './observer.js';

let dockerd: Dockerd;

beforeAll(async () => {
  // Swarm mode and live-restore exclude each other.
  dockerd = await startDockerd({ liveRestore: false });
});
afterAll(async () => {
  await dockerd[Symbol.asyncDispose]();
});

/** Names of a service's containers, in order, with their weights. */
function backends(observer: Observer, service: string): string[] {
  const found: string[] = [];
  for (const [path, text] of observer.registered?.entries ?? []) {
    const key = parseKey(path);
    const { container, weight }: Value = JSON.parse(text);
    if (key.kind === 'backend' && key.service === service) found.push(`${container} ${weight}`);
  }
  return found.toSorted((a, b) => a.localeCompare(b));
}

describe('Swarm', () => {
  test('tasks are containers: their container labels count, those of the service do not reach them', async () => {
    await using observer = new Observer(dockerd.endpoint);
    await dockerd.docker('swarm', 'init', '--advertise-addr', '127.0.0.1');
    const labels = ['--container-label', 'clusterf.service=web', '--container-label', 'clusterf.backend.tcp=80'];
    const unseen = ['--label', 'clusterf.service=unseen'];
    const how = [
      '--detach',
      '--no-resolve-image',
      '--endpoint-mode',
      'dnsrr',
      '--replicas',
      '2',
      '--stop-grace-period',
      '3s',
    ];
    const service = ['service', 'create', '--name', 'web', ...how, ...labels, ...unseen];
    await dockerd.docker(...service, 'busybox', 'sleep', '100000');
    await until('both tasks are registered', () => backends(observer, 'web').length === 2, PATIENCE);
    expect(backends(observer, 'web')).toEqual([
      expect.stringMatching(/^web\.1\.\w+ 10$/),
      expect.stringMatching(/^web\.2\.\w+ 10$/),
    ]);
    expect(backends(observer, 'unseen')).toEqual([]);

    await dockerd.docker('service', 'scale', '--detach', 'web=3');
    await until('a third one is', () => backends(observer, 'web').length === 3, PATIENCE);
    await dockerd.docker('service', 'scale', '--detach', 'web=1');
    await until(
      'those that are to stop are drained',
      () => backends(observer, 'web').some((text) => text.endsWith(' 0')),
      PATIENCE,
    );
    await until('one is left', () => backends(observer, 'web').length === 1, PATIENCE);
    await dockerd.docker('service', 'rm', 'web');
    await until('none is left', () => backends(observer, 'web').length === 0, PATIENCE);
  });
});

describe('Compose', () => {
  /** As `docker compose up --scale web=2` runs them: names, labels and network of the project. */
  test('scaled services are backends of one service, on the project’s network', async () => {
    await dockerd.docker('network', 'create', '--label', 'com.docker.compose.project=shop', 'shop_default');
    await using observer = new Observer(dockerd.endpoint);
    for (const number of ['1', '2']) {
      const labels = {
        'com.docker.compose.project': 'shop',
        'com.docker.compose.service': 'web',
        'com.docker.compose.container-number': number,
        'com.docker.compose.oneoff': 'False',
        'clusterf.service': 'web',
        'clusterf.backend.tcp': '80',
        'clusterf.backend.network': 'shop_default',
      };
      const words = Object.entries(labels).flatMap(([name, value]) => ['--label', `${name}=${value}`]);
      await dockerd.runContainer(['--name', `shop-web-${number}`, '--network', 'shop_default', ...words]);
    }
    await until('both are registered', () => backends(observer, 'web').length === 2, PATIENCE);
    expect(backends(observer, 'web')).toEqual(['shop-web-1 10', 'shop-web-2 10']);
    expect(observer.registered?.problems).toEqual([]);
  });
});
