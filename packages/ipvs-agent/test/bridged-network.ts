/** A Docker host's networks without Docker: bridges with namespaces as containers, and a client outside. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '../../../test/lab/index.js';
import { run } from './site.js';

const PEER = join(projectRoot(), 'test', 'dist', 'fixtures', 'peer.js');
/** Where every container answers. */
export const PORT = 8080;

const BRIDGES = { near: 77, far: 78 } as const;
const CONTAINERS = { self: ['near', 2], neighbour: ['near', 3], stranger: ['far', 2] } as const;
export type Asker = keyof typeof CONTAINERS | 'outside';
export const CONTAINERS_NETWORKS = ['172.76.0.0/14', 'fd70::/16'];
/** As the backends see this machine, by bridge. */
export const GATEWAYS = ['172.77.0.1', 'fd70:77::1'];
export const OUTSIDE = ['192.0.2.2', '2001:db8::2'];
export const VIPS = ['10.97.0.1', 'fd97::1'];
/** The container that is the service's backend. */
export const BACKEND = ['172.77.0.2', 'fd70:77::2'];

async function ip(words: string): Promise<void> {
  await run('ip', words.split(' '));
}

/** A namespace with one link to this machine. */
async function namespace(name: string, link: string, own: readonly string[], gateway: readonly string[]) {
  await ip(`netns add ${name}`);
  await ip(`link add ${link} type veth peer name eth0 netns ${name}`);
  await ip(`link set ${link} up`);
  await ip(`-n ${name} link set lo up`);
  await ip(`-n ${name} address add ${own[0]} dev eth0`);
  await ip(`-n ${name} address add ${own[1]} dev eth0 nodad`);
  await ip(`-n ${name} link set eth0 up`);
  for (const [i, family] of ['-4', '-6'].entries())
    await ip(`-n ${name} ${family} route add default via ${gateway[i]}`);
}

export class BridgedNetwork implements AsyncDisposable {
  readonly #servers: ChildProcess[] = [];

  static async start(): Promise<BridgedNetwork> {
    const network = new BridgedNetwork();
    try {
      await network.#build();
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  async #build(): Promise<void> {
    await run('sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1']);
    await ip('link add vips type dummy');
    await ip(`address add ${VIPS[0]}/32 dev vips`);
    await ip(`address add ${VIPS[1]}/128 dev vips nodad`);
    await ip('link set vips up');
    for (const [bridge, number] of Object.entries(BRIDGES)) {
      await ip(`link add ${bridge} type bridge`);
      await ip(`address add 172.${number}.0.1/16 dev ${bridge}`);
      await ip(`address add fd70:${number}::1/64 dev ${bridge} nodad`);
      await ip(`link set ${bridge} up`);
    }
    for (const [name, [bridge, host]] of Object.entries(CONTAINERS)) {
      const number = BRIDGES[bridge];
      const gateways = [`172.${number}.0.1`, `fd70:${number}::1`];
      await namespace(name, `to-${name}`, [`172.${number}.0.${host}/16`, `fd70:${number}::${host}/64`], gateways);
      await ip(`link set to-${name} master ${bridge}`);
      await this.#serve(name);
    }
    await namespace('outside', 'to-outside', [`${OUTSIDE[0]}/24`, `${OUTSIDE[1]}/64`], ['192.0.2.1', '2001:db8::1']);
    await ip('address add 192.0.2.1/24 dev to-outside');
    await ip('address add 2001:db8::1/64 dev to-outside nodad');
  }

  async #serve(name: string): Promise<void> {
    const args = [`--net=/run/netns/${name}`, process.execPath, PEER, 'serve', String(PORT)];
    const server = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#servers.push(server);
    await once(server.stdout, 'data');
  }

  /**
   * With which address a server sees who asks it, or `no answer`: of every address by TCP, then of every one by UDP.
   * The service's own unless others are given.
   */
  async ask(name: Asker, addresses: readonly string[] = VIPS, port = 80): Promise<unknown> {
    const args = [`--net=/run/netns/${name}`, process.execPath, PEER, 'ask', String(port), ...addresses];
    return JSON.parse((await run('nsenter', args)).stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.kill('SIGKILL');
    for (const name of [...Object.keys(CONTAINERS), 'outside']) await ip(`netns del ${name}`).catch(() => undefined);
    for (const device of [...Object.keys(BRIDGES), 'vips']) await ip(`link del ${device}`).catch(() => undefined);
  }
}
