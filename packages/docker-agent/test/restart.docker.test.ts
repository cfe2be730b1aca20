import { describe, expect, test } from '@jest/globals';
import { type Dockerd, startDockerd } from '../../../test/fixtures/dockerd.js';
import { until } from '../../../test/fixtures/until.js';
import { Observer, PATIENCE } from './observer.js';

function run(dockerd: Dockerd, service: string, ...args: readonly string[]): Promise<string> {
  const labels = ['--label', `clusterf.service=${service}`, '--label', 'clusterf.backend.tcp=80'];
  return dockerd.runContainer(['--name', service, ...labels, ...args]);
}

describe('dockerd is restarted', () => {
  test('in order or killed, under live-restore: not one registration changes, and events are heard again', async () => {
    await using dockerd = await startDockerd();
    await using observer = new Observer(dockerd.endpoint);
    const check = ['--health-cmd', 'true', '--health-interval', '1s'];
    await Promise.all([
      run(dockerd, 'plain'),
      run(dockerd, 'paused'),
      run(dockerd, 'drains'),
      run(dockerd, 'healthy', ...check),
    ]);
    await dockerd.docker('pause', 'paused');
    await dockerd.docker('kill', '--signal', 'TERM', 'drains');
    await observer.hasWeight('plain', 10);
    await observer.hasWeight('paused', 0);
    await observer.hasWeight('drains', 0);
    await observer.hasWeight('healthy', 10);

    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      observer.history.splice(0, observer.history.length - 1);
      await dockerd.stop(signal);
      await dockerd.start();
      const ear = await run(dockerd, 'ear');
      await observer.hasWeight('ear', 10);
      await dockerd.docker('rm', '--force', ear);
      await observer.isGone('ear');
      const weights = ['plain', 'paused', 'drains', 'healthy'].map((service) => observer.weights(service));
      expect(weights).toEqual([[10], [0], [0], [10]]);
    }
  });

  test('without live-restore: what it ends is gone, and what it starts again is back where it then is', async () => {
    await using dockerd = await startDockerd({ liveRestore: false });
    await using observer = new Observer(dockerd.endpoint);
    await run(dockerd, 'ends');
    await run(dockerd, 'returns', '--restart', 'always');
    await observer.hasWeight('ends', 10);
    await observer.hasWeight('returns', 10);
    await dockerd.stop();
    await dockerd.start();
    await observer.isGone('ends');
    await observer.hasWeight('returns', 10);
    const ipv4 = await dockerd.docker('inspect', '--format', '{{.NetworkSettings.IPAddress}}', 'returns');
    await until('its address is seen', () => observer.backend('returns')?.ipv4 === ipv4, PATIENCE);
    expect(observer.weight('ends')).toBeUndefined();
  });
});
