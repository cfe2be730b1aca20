/**
 * A Docker API of as many containers as one likes: a recording of one container, multiplied. It answers what the agent
 * asks, and tells events as fast as it is told to, which no dockerd could.
 */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { EventLine, Json } from './docker-api.js';
import type { Recording } from './recording.js';

export interface RecordedContainer {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  running: boolean;
  /** Milliseconds since 1970. */
  startedAt: number;
}

/** As dockerd: so many of the last events can be asked for. */
const REMEMBERED = 256;

export class RecordedDocker implements AsyncDisposable {
  readonly containers: readonly RecordedContainer[];
  /** How often each path was asked for, ids apart. */
  readonly asked = { events: 0, list: 0, inspect: 0 };
  readonly #recording: Recording;
  readonly #byId: ReadonlyMap<string, RecordedContainer>;
  readonly #streams = new Set<ServerResponse>();
  readonly #told: { readonly time: number; readonly line: string }[] = [];
  readonly #server: Server;

  constructor(recording: Recording, size: number) {
    this.#recording = recording;
    const startedAt = Date.now();
    this.containers = Array.from({ length: size }, (_, index) => ({
      id: index.toString(16).padStart(64, '0'),
      name: `recorded-${index}`,
      address: `172.20.${index >> 8}.${index & 255}`,
      running: true,
      startedAt,
    }));
    this.#byId = new Map(this.containers.map((container) => [container.id, container]));
    this.#server = createServer((request, response) => this.#answer(request.url ?? '', response));
  }

  async listen(socketPath: string): Promise<void> {
    this.#server.listen(socketPath);
    await once(this.#server, 'listening');
  }

  /** Tells a recorded event as one of this container. */
  tell(container: RecordedContainer, recorded: EventLine): void {
    const now = Date.now();
    const attributes = { ...recorded.Actor.Attributes };
    if (recorded.Type === 'container') attributes['name'] = container.name;
    else attributes['container'] = container.id;
    const actor = recorded.Type === 'container' ? container.id : recorded.Actor.ID;
    const times = { time: Math.floor(now / 1000), timeNano: now * 1e6 };
    const ids = 'id' in recorded ? { id: actor } : {};
    const line = `${JSON.stringify({ ...recorded, ...ids, Actor: { ID: actor, Attributes: attributes }, ...times })}\n`;
    this.#told.push({ time: now, line });
    if (this.#told.length > REMEMBERED) this.#told.shift();
    for (const stream of this.#streams) stream.write(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(url: string, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(url, 'http://docker');
    const [, id] = /^\/containers\/([^/]+)\/json$/.exec(pathname) ?? [];
    if (pathname === '/events') {
      this.asked.events += 1;
      this.#tellEvents(searchParams, response);
    } else if (pathname === '/containers/json') {
      this.asked.list += 1;
      reply(
        response,
        this.containers.filter(({ running }) => running).map((each) => this.#listed(each)),
      );
    } else if (id !== undefined) {
      this.asked.inspect += 1;
      const container = this.#byId.get(id);
      if (container === undefined) reply(response, { message: `No such container: ${id}` }, 404);
      else reply(response, this.#inspected(container));
    } else {
      reply(response, { message: 'page not found' }, 404);
    }
  }

  #tellEvents(search: URLSearchParams, response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.flushHeaders();
    const [since, until] = ['since', 'until'].map((name) => Number(search.get(name) ?? Number.NaN) * 1000);
    for (const { time, line } of this.#told) {
      if (time >= (since ?? 0) && !(time > (until ?? Infinity))) response.write(line);
    }
    if (search.has('until')) {
      response.end();
      return;
    }
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
  }

  #listed({ id, name, address }: RecordedContainer): Json {
    return {
      ...this.#recording.listed,
      Id: id,
      Names: [`/${name}`],
      NetworkSettings: networks(this.#recording, address),
    };
  }

  #inspected({ id, name, address, running, startedAt }: RecordedContainer): Json {
    const recorded = running ? this.#recording.running : this.#recording.exited;
    const state = { ...object(recorded['State']), StartedAt: new Date(startedAt).toISOString() };
    const settings = running
      ? { ...object(recorded['NetworkSettings']), ...networks(this.#recording, address) }
      : recorded['NetworkSettings'];
    return { ...recorded, Id: id, Name: `/${name}`, State: state, NetworkSettings: settings };
  }
}

function networks({ running }: Recording, address: string): Json {
  const { bridge } = object(object(running['NetworkSettings'])['Networks']);
  return { Networks: { bridge: { ...object(bridge), IPAddress: address } } };
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function reply(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}
