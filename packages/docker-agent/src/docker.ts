/** The only file that knows the Docker API's types. */
import { setTimeout as delay } from 'node:timers/promises';
import type { IncomingMessage } from 'node:http';
import type { ContainerInfo, ContainerInspectInfo, NetworkInspectInfo } from 'dockerode';
import type { Protocol } from '@clusterf/model';
import type {
  Attachment,
  ContainerState,
  ContainerStatus,
  DockerEvent,
  Engine,
  Health,
  PublishedPort,
} from './container.js';
import { parseEndpoint } from './docker-endpoint.js';
import { ACTIONS, decodeEvents } from './docker-events.js';
import { DockerError, DockerRequests, type Query } from './docker-requests.js';
import { signalNumber, SIGTERM } from './signals.js';

/** Milliseconds after which a subscription that is not answered counts as accepted. */
const SILENT_ACCEPTANCE = 1_000;

const STATUSES: readonly ContainerStatus[] = [
  'created',
  'running',
  'paused',
  'stopping',
  'restarting',
  'removing',
  'exited',
  'dead',
];

const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp'];

/**
 * Nothing is sent yet.
 *
 * @param endpoint as `parseEndpoint` takes it, which also says what is thrown
 */
export function connectDocker(endpoint: string, env: Readonly<Record<string, string | undefined>>): Engine {
  return dockerEngine(new DockerRequests(parseEndpoint(endpoint, env)));
}

function dockerEngine(docker: DockerRequests): Engine {
  return {
    async subscribe(since, signal) {
      const answer = docker.open('/events', eventsQuery({ since }), signal);
      // Podman begins to answer with the first event, which may be hours away; a failure until then is the stream's.
      answer.catch(() => {});
      await Promise.race([answer, delay(SILENT_ACCEPTANCE, undefined, { ref: false })]);
      return decodeEvents(textOf(answer));
    },

    async recall(since, until, signal) {
      const { text, date } = await docker.read('/events', eventsQuery({ since, until }), signal);
      const events: DockerEvent[] = [];
      // All of it is there: what has no end of line is to be read as well, or to be an error if it is none of Docker's.
      for await (const event of decodeEvents([text, '\n'])) events.push(event);
      // A proxy may leave the date out: the own clock is then as good a guess as any.
      return { events, now: date ?? Date.now() };
    },

    async list(signal) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the decoding edge
      const containers = decodeList(await docker.readJson('/containers/json', signal)) as readonly ContainerInfo[];
      return containers.map(({ Id, Labels }) => ({ id: Id, labels: Labels ?? {} }));
    },

    async inspect(id, signal) {
      try {
        const info = await docker.readJson(`/containers/${encodeURIComponent(id)}/json`, signal);
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the decoding edge
        return decodeContainer(info as ContainerInspectInfo);
      } catch (error) {
        // That there is none is an answer, not a failure.
        if (error instanceof DockerError && error.status === 404) return undefined;
        throw error;
      }
    },

    async networks(names, signal) {
      if (names.length === 0) return [];
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the decoding edge
      const networks = decodeList(await docker.readJson('/networks', signal)) as readonly NetworkInspectInfo[];
      return networks
        .filter(({ Name }) => names.includes(Name))
        .map(({ Name, IPAM }) => ({
          name: Name,
          subnets: (IPAM?.Config ?? []).map(({ Subnet }) => Subnet ?? '').filter((subnet) => subnet !== ''),
        }));
    },
  };
}

/** Times as Docker's clock has them, in milliseconds; seconds on the way, of which none before the first. */
function eventsQuery(times: { readonly since: number; readonly until?: number }): Query {
  const seconds = Object.entries(times).map(([name, time]) => [name, Math.max(1, time / 1_000).toFixed(3)]);
  const filters = JSON.stringify({ type: ['container', 'network'], event: ACTIONS });
  return { filters, ...Object.fromEntries(seconds) };
}

async function* textOf(answer: Promise<IncomingMessage>): AsyncGenerator<string> {
  const response = await answer;
  response.setEncoding('utf8');
  for await (const chunk of response) yield String(chunk);
}

/** @throws Error for anything but a list: one that is cut short or none at all must not look like an empty one */
function decodeList(body: unknown): readonly unknown[] {
  if (!Array.isArray(body)) throw new Error('docker answers something else than a list');
  return body;
}

/** Docker writes null for empty maps and lists, whatever its types say; hence the question marks. */
export function decodeContainer(info: ContainerInspectInfo): ContainerState {
  const { State, Config, NetworkSettings } = info;
  return {
    id: info.Id,
    name: info.Name.replace(/^\//, ''),
    labels: Config.Labels ?? {},
    status: STATUSES.find((status) => status === State.Status) ?? 'dead',
    health: decodeHealth(State.Health?.Status),
    createdAt: Date.parse(info.Created),
    startedAt: Date.parse(State.StartedAt),
    stopSignal: decodeStopSignal(Config),
    networkMode: decodeNetworkMode(info),
    attachments: Object.entries(NetworkSettings.Networks ?? {}).map(
      ([network, { IPAddress, GlobalIPv6Address }]): Attachment => ({
        network,
        ...(IPAddress ? { ipv4: IPAddress } : {}),
        ...(GlobalIPv6Address ? { ipv6: GlobalIPv6Address } : {}),
      }),
    ),
    published: Object.entries(NetworkSettings.Ports ?? {}).flatMap(([port, bindings]) => decodePorts(port, bindings)),
    exposed: Object.keys({ ...Config.ExposedPorts, ...NetworkSettings.Ports }),
  };
}

/** By its name, also where it was given by id. */
function decodeNetworkMode({ HostConfig, NetworkSettings }: ContainerInspectInfo): string {
  const mode = HostConfig.NetworkMode ?? 'default';
  const given = Object.entries(NetworkSettings.Networks ?? {}).find(([, { NetworkID }]) => NetworkID === mode);
  return given === undefined ? mode : given[0];
}

/** @param exposed `80/tcp` */
function decodePorts(
  exposed: string,
  bindings: readonly { readonly HostIp?: string; readonly HostPort?: string }[] | null,
): PublishedPort[] {
  const [, port, name] = /^(\d+)\/(.+)$/.exec(exposed) ?? [];
  const protocol = PROTOCOLS.find((each) => each === name);
  if (protocol === undefined) return [];
  return (bindings ?? [])
    .map(({ HostIp, HostPort }) => ({ protocol, port: Number(port), hostIp: HostIp ?? '', hostPort: Number(HostPort) }))
    .filter(({ hostPort }) => hostPort > 0);
}

function decodeHealth(status: string | undefined): Health {
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : 'none';
}

function decodeStopSignal(config: object): number {
  const text = 'StopSignal' in config && typeof config.StopSignal === 'string' ? config.StopSignal : '';
  return signalNumber(text) ?? SIGTERM;
}
