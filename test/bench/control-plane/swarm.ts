/** Docker Swarm's routing mesh, on the same dockerd: a published service of one task, scaled to two and back. */
import { z } from 'zod';
import { until } from '../../fixtures/until.js';
import type { Json } from '../discovery/docker-api.js';
import { type DockerHost, IMAGE } from './docker-host.js';
import type { Contender } from './measure.js';
import { addressOf, PORT } from './topology.js';

const Service = z.object({ ID: z.string(), Version: z.object({ Index: z.number() }), Spec: z.looseObject({}) });
const Tasks = z.array(
  z.object({
    Status: z.object({ State: z.string(), ContainerStatus: z.object({ ContainerID: z.string() }).optional() }),
  }),
);

const NAME = 'mesh';
/** A container's host name is so much of its id. */
const HOST_NAME = 12;
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
  /** The host names in the tasks that run. */
  const running = async () => {
    const filters = encodeURIComponent(JSON.stringify({ service: [NAME] }));
    const tasks = Tasks.parse(await api.call('GET', `/tasks?filters=${filters}`));
    return tasks
      .filter(({ Status }) => Status.State === 'running')
      .map(({ Status }) => (Status.ContainerStatus?.ContainerID ?? '').slice(0, HOST_NAME));
  };
  const untilRunning = async (count: number) => {
    const enough = async () => {
      const names = await running();
      return names.length === count && names;
    };
    return await until(`the mesh has ${count} tasks`, enough, PATIENCE, 100);
  };
  await untilRunning(1);
  return {
    title: 'Docker Swarm, its routing mesh: service scaled from 1 to 2, and back',
    address,
    async grow() {
      await scale(2);
      // It answers before Swarm has heard so.
      await untilRunning(2);
    },
    async shrink() {
      const both = await untilRunning(2);
      await scale(1);
      // Which one goes, is Swarm's choice.
      const remaining = await untilRunning(1);
      return both.find((name) => !remaining.includes(name)) ?? '';
    },
  };
}

function replicas(count: number): Json {
  return { Replicated: { Replicas: count } };
}
