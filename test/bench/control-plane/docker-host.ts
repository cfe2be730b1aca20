/** The docker machine: a dockerd with clusterf-docker, and containers of serve.c. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Cluster } from '../../cluster/cluster.js';
import { type Dockerd, startDockerd } from '../../fixtures/dockerd.js';
import { DockerApi } from '../discovery/docker-api.js';
import { CONTAINERS, PORT, type ServiceName } from './topology.js';

const run = promisify(execFile);

/** Swarm asks for an image's registry whenever it starts a task, and is refused at once here. */
export const IMAGE = '127.0.0.1:1/serve';
const NETWORK = 'web';

export interface DockerHost extends AsyncDisposable {
  readonly api: DockerApi;
  /** All that is possible before it is started. */
  create(name: string, service: ServiceName): Promise<void>;
  start(name: string): Promise<void>;
  /** Returns when it has ended. */
  stop(name: string): Promise<void>;
  remove(name: string): Promise<void>;
}

/** @param directory where the program of serve.c, of that name, is */
export async function startDockerHost(cluster: Cluster, directory: string): Promise<DockerHost> {
  const host = cluster.place('docker');
  const dockerd = await startDockerd({ netns: host.netns, liveRestore: false });
  const api = new DockerApi(dockerd.socketPath);
  await importServer(dockerd, directory);
  const { subnet, gateway } = CONTAINERS;
  await api.call('POST', '/networks/create', {
    Name: NETWORK,
    IPAM: { Config: [{ Subnet: subnet, Gateway: gateway }] },
  });
  const { ipv4 } = cluster.machine('docker').address;
  const route = `--route-network ${NETWORK} --route-ipvs-method droute --route-gateway4 host`;
  const self = `--host-name docker --host-address ${ipv4} --docker-endpoint ${dockerd.endpoint}`;
  host.startAgent('clusterf-docker', `--config-source ${cluster.etcd.source} ${self} ${route}`.split(' '));
  return {
    api,
    async create(name, service) {
      await api.call('POST', `/containers/create?name=${name}`, {
        Image: IMAGE,
        Hostname: name,
        Labels: { 'clusterf.service': service, 'clusterf.backend.tcp': String(PORT) },
        HostConfig: { NetworkMode: NETWORK },
      });
    },
    start: async (name) => void (await api.call('POST', `/containers/${name}/start`)),
    stop: async (name) => void (await api.call('POST', `/containers/${name}/stop`)),
    remove: async (name) => void (await api.call('DELETE', `/containers/${name}`)),
    [Symbol.asyncDispose]: async () => await dockerd[Symbol.asyncDispose](),
  };
}

/** An image of nothing but the server. */
async function importServer({ endpoint }: Dockerd, directory: string): Promise<void> {
  const script = 'tar -C "$1" -cf - serve | docker --host "$2" import --change "$3" - "$4"';
  const command = `CMD ${JSON.stringify(['/serve', String(PORT)])}`;
  await run('sh', ['-c', script, 'sh', directory, endpoint, command, IMAGE]);
}
