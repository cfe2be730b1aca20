/** Containers of a real dockerd, all of one service. */
import { backendKey } from '@clusterf/model';
import type { Dockerd } from '../../fixtures/dockerd.js';
import { DockerApi, type Json } from './docker-api.js';

export const SERVICE = 'web';
/** Requests to dockerd at once: more make it no faster. */
const PARALLEL = 16;

export function pathOf(id: string): string {
  return backendKey(SERVICE, id);
}

export class Crowd {
  readonly api: DockerApi;
  readonly ids: readonly string[];

  private constructor(api: DockerApi, ids: readonly string[]) {
    this.api = api;
    this.ids = ids;
  }

  /** Makes so many, and starts none. */
  static async create(dockerd: Dockerd, size: number): Promise<Crowd> {
    const api = new DockerApi(dockerd.socketPath);
    const body = {
      Image: 'busybox',
      Cmd: ['sleep', '100000'],
      Labels: { 'clusterf.service': SERVICE, 'clusterf.backend.tcp': '80' },
    };
    const ids: string[] = [];
    await inParallel(Array.from({ length: size }), async () => {
      const { Id: id } = await api.call<{ readonly Id: string }>('POST', '/containers/create', body);
      ids.push(id);
    });
    return new Crowd(api, ids);
  }

  async start(id: string): Promise<void> {
    await this.api.call('POST', `/containers/${id}/start`);
  }

  async kill(id: string): Promise<void> {
    await this.api.call('POST', `/containers/${id}/kill`);
  }

  /** Addresses of those that run, by id, as Docker says. */
  async running(): Promise<ReadonlyMap<string, string>> {
    const listed = await this.api.call<readonly Listed[]>('GET', '/containers/json');
    return new Map(listed.map(({ Id, NetworkSettings }) => [Id, NetworkSettings.Networks.bridge.IPAddress]));
  }
}

interface Listed extends Json {
  readonly Id: string;
  readonly NetworkSettings: { readonly Networks: { readonly bridge: { readonly IPAddress: string } } };
}

export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}

/** @throws {Error} if the tree is not exactly what these containers should have there */
export function requireEqual(
  entries: ReadonlyMap<string, string>,
  running: ReadonlyMap<string, string>,
  weight = 10,
): void {
  if (entries.size !== running.size) throw new Error(`${entries.size} entries for ${running.size} containers`);
  for (const [id, address] of running) {
    const value = entries.get(pathOf(id)) ?? '{}';
    const backend: { readonly ipv4?: string; readonly weight?: number } = JSON.parse(value);
    if (backend.ipv4 !== address || backend.weight !== weight) throw new Error(`${id} at ${address}: ${value}`);
  }
}
