/** Docker Swarm's routing mesh, on the same dockerd: a published service of one task, scaled to two and back. */
import { z } from 'zod';
import { until } from '../../fixtures/until.js';
import type { Json } from '../discovery/docker-api.js';
import { type DockerHost, IMAGE } from './docker-host.js';
import type { Contender } from './measure.js';
import { addressOf, PORT } from './topology.js';

const Service = z.object({ ID: z.string(), Version: z.object({ Index: z.number() }), Spec: z.looseObject({}) });
const Tasks = z.array(z.object({ Status: z.object({ State: z.string() }) }));

const NAME = 'mesh';
/** Its first task takes twenty seconds in the lab's kernel. */
const PATIENCE = 90_000;

export async function startSwarm({ api }: DockerHost): Promise<Contender> {
  const address = addressOf('docker');
  await api.call('POST', '/swarm/init', { AdvertiseAddr: address, ListenAddr: '0.0.0.0:2377' });
  await api.call('POST', '/services/create', {
    Name: NAME,
    TaskTemplate: { ContainerSpec: { Image: IMAGE } },
    Mode: replicas(1),
    EndpointSpec: { Ports: [{ Protocol: 'tcp', PublishedPort: PORT, TargetPort: PORT }] },
  });
  const inspect = async () => Service.parse(await api.call('GET', `/services/${NAME}`));
  const scale = async (count: number) => {
    const { ID, Version, Spec } = await inspect();
    await api.call('POST', `/services/${ID}/update?version=${Version.Index}`, { ...Spec, Mode: replicas(count) });
  };
  const running = async () => {
    const filters = encodeURIComponent(JSON.stringify({ service: [NAME] }));
    const tasks = Tasks.parse(await api.call('GET', `/tasks?filters=${filters}`));
    return tasks.filter(({ Status }) => Status.State === 'running').length;
  };
  const untilRunning = async (count: number) =>
    void (await until(`the mesh has ${count} tasks`, async () => (await running()) === count, PATIENCE, 100));
  await untilRunning(1);
  return {
    title: 'Docker Swarm, its routing mesh: service scaled from 1 to 2, and back',
    address,
    grow: async () => await scale(2),
    async shrink() {
      await scale(1);
      await untilRunning(1);
    },
  };
}

function replicas(count: number): Json {
  return { Replicated: { Replicas: count } };
}
