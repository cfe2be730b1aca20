/** The only file that knows dockerode and the Docker API's types. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Dockerode from 'dockerode';
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
import { signalNumber, SIGTERM } from './signals.js';

/** Milliseconds after which Docker counts as lost; generous, since a busy dockerd may take seconds to inspect. */
const ANSWER_TIMEOUT = 30_000;

/** Events that can change a registration or a route; above all not the `exec_*` ones of every health check. */
const ACTIONS = 'start die stop kill pause unpause destroy rename update health_status create connect disconnect'.split(
  ' ',
);

const STATUSES: readonly ContainerStatus[] = [
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
];

const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp'];

/**
 * Nothing is sent yet.
 *
 * @param endpoint `unix:///path` or `tcp://host:port`, the latter by TLS where the environment says so as it does to
 *   Docker's own client: DOCKER_TLS_VERIFY, DOCKER_CERT_PATH
 * @throws Error for an endpoint that is neither, or unreadable certificates
 */
export function connectDocker(endpoint: string, env: Readonly<Record<string, string | undefined>>): Engine {
  return dockerEngine(new Dockerode(connection(endpoint, env)));
}

function connection(endpoint: string, env: Readonly<Record<string, string | undefined>>): Dockerode.DockerOptions {
  if (endpoint.startsWith('unix://')) {
    // dockerode itself looks at DOCKER_HOST and prefers a host to a socket: say that there is none.
    return { socketPath: endpoint.slice('unix://'.length), host: undefined, port: undefined, protocol: 'http' };
  }
  const url = new URL(endpoint);
  if (!['tcp:', 'http:', 'https:'].includes(url.protocol)) throw new Error('expected unix:///PATH or tcp://HOST:PORT');
  const tls = url.protocol === 'https:' || url.port === '2376' || (env['DOCKER_TLS_VERIFY'] ?? '') !== '';
  const certificates = tls ? env['DOCKER_CERT_PATH'] : undefined;
  return {
    // Without the brackets of an IPv6 address, which only URLs have.
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (tls ? 2376 : 2375) : url.port,
    protocol: tls ? 'https' : 'http',
    ...(certificates === undefined ? {} : readCertificates(certificates)),
  };
}

function readCertificates(directory: string): Pick<Dockerode.DockerOptions, 'ca' | 'cert' | 'key'> {
  return {
    ca: readFileSync(join(directory, 'ca.pem')),
    cert: readFileSync(join(directory, 'cert.pem')),
    key: readFileSync(join(directory, 'key.pem')),
  };
}

function dockerEngine(docker: Dockerode): Engine {
  return {
    async subscribe(since, signal) {
      const over = new AbortController();
      const stream = await inTime(signal, over, () =>
        docker.getEvents({
          // A second earlier than the last event seen: times lose precision on the way, and repeats do no harm.
          // From the beginning, dockerd tells the 256 events it remembers.
          since: since === undefined ? 1 : Math.max(1, since / 1_000 - 1),
          filters: { type: ['container', 'network'], event: ACTIONS },
          abortSignal: AbortSignal.any([signal, over.signal]),
        }),
      );
      return decodeEvents(stream);
    },

    async list(signal) {
      const containers = await ask(signal, (abortSignal) => docker.listContainers({ abortSignal }));
      return containers.map(({ Id, Labels }) => ({ id: Id, labels: Labels ?? {} }));
    },

    async inspect(id, signal) {
      const info = await found(ask(signal, (abortSignal) => docker.getContainer(id).inspect({ abortSignal })));
      return info === undefined ? undefined : decodeContainer(info);
    },

    async networks(names, signal) {
      if (names.length === 0) return [];
      const networks = await ask(signal, (abortSignal) => docker.listNetworks({ abortSignal }));
      return networks
        .filter(({ Name }) => names.includes(Name))
        .map(({ Name, IPAM }) => ({
          name: Name,
          subnets: (IPAM?.Config ?? []).map(({ Subnet }) => Subnet ?? '').filter((subnet) => subnet !== ''),
        }));
    },
  };
}

/**
 * One question, aborted with the signal or when Docker takes too long. Not by AbortSignal.any, which would leave
 * a trace of every question on a signal that lives for days.
 */
async function ask<T>(signal: AbortSignal, question: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const over = new AbortController();
  const abort = () => over.abort();
  signal.addEventListener('abort', abort);
  try {
    return await inTime(signal, over, () => question(over.signal));
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Ends what is asked by `over` unless it is answered in time, with an error that says so. */
async function inTime<T>(signal: AbortSignal, over: AbortController, question: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    over.abort();
  }, ANSWER_TIMEOUT);
  try {
    return await question();
  } catch (cause) {
    throw late ? new Error(`docker did not answer within ${ANSWER_TIMEOUT / 1_000} s`, { cause }) : cause;
  } finally {
    clearTimeout(timer);
  }
}

/** Docker's 404 is an answer, not a failure. */
async function found<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error && error.statusCode === 404) return undefined;
    throw error;
  }
}

/** Docker writes null for empty maps and lists, whatever its types say; hence the question marks. */
export function decodeContainer(info: Dockerode.ContainerInspectInfo): ContainerState {
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
function decodeNetworkMode({ HostConfig, NetworkSettings }: Dockerode.ContainerInspectInfo): string {
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

async function* decodeEvents(stream: NodeJS.ReadableStream): AsyncGenerator<DockerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }))).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = line.trim() === '' ? undefined : decodeEvent(JSON.parse(line));
      if (event !== undefined) yield event;
    }
  }
}

/** One line of GET /events, as far as we look at it. */
export interface EventMessage {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes?: Readonly<Record<string, string>> | null };
  readonly timeNano: number;
}

/** Undefined for what is not about a container or a network. */
export function decodeEvent(message: EventMessage): DockerEvent | undefined {
  const { Type, Action, Actor, timeNano } = message;
  const time = timeNano / 1e6;
  const attributes = Actor.Attributes ?? {};
  if (Type === 'container') {
    const signal = Action === 'kill' ? signalNumber(attributes['signal'] ?? '') : undefined;
    // Labels arrive among the attributes, beside `image` and `name`.
    const event = { type: Type, action: Action, id: Actor.ID, labels: attributes, time } as const;
    return signal === undefined ? event : { ...event, signal };
  }
  if (Type === 'network') {
    const { container } = attributes;
    return { type: Type, action: Action, time, ...(container === undefined ? {} : { container }) };
  }
  return undefined;
}
