import { IPVS_CMD } from './attributes.js';
import { type Command, type CommandName, prepare, type Request, serviceIdentity } from './commands.js';
import {
  decodeDaemon,
  decodeDestination,
  decodeInfo,
  decodeObservedDestination,
  decodeObservedService,
  decodeService,
  decodeTimeouts,
} from './decode.js';
import { DecodeError, IpvsError } from './errors.js';
import { virtualServiceKey } from './identity.js';
import { Connection } from './netlink/connection.js';
import type { Attributes } from './netlink/reader.js';
import { type NetlinkSocket, openNetlinkSocket } from './netlink/socket.js';
import { read, resolveFamily, send } from './requests.js';
import type {
  ConnectedDestination,
  Destination,
  DestinationId,
  Info,
  ObservedDestination,
  ObservedVirtualService,
  SyncDaemon,
  SyncRole,
  TableEntry,
  Timeouts,
  VirtualService,
  VirtualServiceId,
  WithoutStats,
} from './types.js';

export interface OpenOptions {
  /** Milliseconds of silence from the kernel after which a request fails with ETIMEDOUT; 5000 unless said. */
  readonly timeout?: number;
  /** Opens a generic-netlink socket: for tests, which script one to make faults. */
  readonly openSocket?: () => NetlinkSocket;
}

/**
 * The IPVS table of the network namespace this process is in.
 *
 * Requests are queued and carried out in the order they were made. Every method throws
 * `ArgumentError` before anything is sent where an argument cannot be right, `IpvsError` where the
 * kernel refuses or does not answer, and `DecodeError` where its answer makes no sense.
 * An idle client does not keep the process alive.
 */
export class IpvsClient implements Disposable {
  readonly #connection: Connection;
  #family: number;

  private constructor(connection: Connection, family: number) {
    this.#connection = connection;
    this.#family = family;
  }

  /**
   * Connects and finds the kernel's IPVS.
   * @throws IpvsError ENOENT if the kernel has none, EPERM without CAP_NET_ADMIN
   */
  static async open(options: OpenOptions = {}): Promise<IpvsClient> {
    const { timeout = 5000, openSocket = openNetlinkSocket } = options;
    const connection = new Connection({ timeout, openSocket });
    try {
      const client = new IpvsClient(connection, await resolveFamily(connection));
      // Asking for a family needs no privilege, everything else does: say so now.
      await client.#one({ label: { command: 'open' }, number: IPVS_CMD.GET_INFO }, decodeInfo);
      return client;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Version and connection table size of the kernel's IPVS. */
  async info(): Promise<Info> {
    return this.#one({ label: { command: 'info' }, number: IPVS_CMD.GET_INFO }, decodeInfo);
  }

  /** All virtual services. */
  async services(): Promise<ObservedVirtualService[]>;
  async services(options: WithoutStats): Promise<VirtualService[]>;
  async services(options?: WithoutStats): Promise<VirtualService[]> {
    const decode = options === undefined ? decodeObservedService : decodeService;
    return this.#all({ label: { command: 'services' }, number: IPVS_CMD.GET_SERVICE }, decode);
  }

  /** One virtual service; undefined if there is none. */
  async service(id: VirtualServiceId): Promise<ObservedVirtualService | undefined> {
    try {
      return await this.#one(about('service', IPVS_CMD.GET_SERVICE, id), decodeObservedService);
    } catch (error) {
      if (error instanceof IpvsError && error.code === 'ESRCH') return undefined;
      throw error;
    }
  }

  /** The destinations of a virtual service; none also if there is no such virtual service: the kernel does not say. */
  async destinations(id: VirtualServiceId): Promise<ObservedDestination[]>;
  async destinations(id: VirtualServiceId, options: WithoutStats): Promise<ConnectedDestination[]>;
  async destinations(id: VirtualServiceId, options?: WithoutStats): Promise<ConnectedDestination[]> {
    const decode = options === undefined ? decodeObservedDestination : decodeDestination;
    const request = about('destinations', IPVS_CMD.GET_DEST, id);
    return this.#all(request, (message) => decode(message, id.family));
  }

  /**
   * All virtual services with their destinations. No snapshot: the kernel gives the services first and
   * then the destinations of one after another, and what changes meanwhile may be seen or not. Each
   * virtual service is there once.
   */
  async table(): Promise<TableEntry[]>;
  async table(options: WithoutStats): Promise<TableEntry<VirtualService, ConnectedDestination>[]>;
  async table(options?: WithoutStats): Promise<TableEntry<VirtualService, ConnectedDestination>[]> {
    return options === undefined
      ? await tableOf(await this.services(), (id) => this.destinations(id))
      : await tableOf(await this.services(options), (id) => this.destinations(id, options));
  }

  /** @throws IpvsError EEXIST if there is one of that id; ENOENT if the kernel lacks the scheduler */
  async newService(service: VirtualService): Promise<void> {
    return this.#do({ command: 'newService', service });
  }

  /** Replaces all settings. @throws IpvsError ESRCH if there is none; ENOENT if the kernel lacks the scheduler */
  async setService(service: VirtualService): Promise<void> {
    return this.#do({ command: 'setService', service });
  }

  /** Removes it with its destinations; connections end. @throws IpvsError ESRCH if there is none */
  async delService(service: VirtualServiceId): Promise<void> {
    return this.#do({ command: 'delService', service });
  }

  /** @throws IpvsError ESRCH if there is no such virtual service, EEXIST if it has the destination */
  async newDestination(service: VirtualServiceId, destination: Destination): Promise<void> {
    return this.#do({ command: 'newDestination', service, destination });
  }

  /** Replaces all settings. @throws IpvsError ESRCH if there is no such virtual service, ENOENT no such destination */
  async setDestination(service: VirtualServiceId, destination: Destination): Promise<void> {
    return this.#do({ command: 'setDestination', service, destination });
  }

  /** @throws IpvsError ESRCH if there is no such virtual service, ENOENT if it has no such destination */
  async delDestination(service: VirtualServiceId, destination: DestinationId): Promise<void> {
    return this.#do({ command: 'delDestination', service, destination });
  }

  /** The connection-sync daemons that run: none, a master, a backup, or both. */
  async daemons(): Promise<SyncDaemon[]> {
    return this.#all({ label: { command: 'daemons' }, number: IPVS_CMD.GET_DAEMON }, decodeDaemon);
  }

  /** Starts a daemon. @throws IpvsError EEXIST if that role runs, ENODEV if there is no such interface */
  async newDaemon(daemon: SyncDaemon): Promise<void> {
    return this.#do({ command: 'newDaemon', daemon });
  }

  /** Stops a daemon. @throws IpvsError ESRCH if that role does not run */
  async delDaemon(role: SyncRole): Promise<void> {
    return this.#do({ command: 'delDaemon', role });
  }

  async timeouts(): Promise<Timeouts> {
    return this.#one({ label: { command: 'timeouts' }, number: IPVS_CMD.GET_CONFIG }, decodeTimeouts);
  }

  async setTimeouts(timeouts: Timeouts): Promise<void> {
    return this.#do({ command: 'setTimeouts', timeouts });
  }

  /** Sets counters back to 0: of one virtual service and its destinations, or of all. */
  async zero(service?: VirtualServiceId): Promise<void> {
    return this.#do({ command: 'zero', ...(service && { service }) });
  }

  /** Removes all virtual services. */
  async flush(): Promise<void> {
    return this.#do({ command: 'flush' });
  }

  /**
   * Carries out many commands, in order, many to a send. At the place of each is its error, or undefined
   * if it was done; one that fails does not keep the others from being tried.
   * @throws ArgumentError before anything is sent, if any command is wrong
   */
  async batch(commands: readonly Command[]): Promise<(IpvsError | undefined)[]> {
    return send(this.#connection, this.#family, commands.map(prepare));
  }

  /**
   * Finds the kernel's IPVS again: one that was unloaded and loaded since has another number.
   * @throws IpvsError ENOENT while the kernel has none
   */
  async rediscover(): Promise<void> {
    this.#family = await resolveFamily(this.#connection);
  }

  /** Ends what is under way with ECANCELED; what is asked from now on fails with EBADF. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #do<N extends CommandName>(command: Command<N>): Promise<void> {
    const [error] = await send(this.#connection, this.#family, [prepare(command)]);
    if (error) throw error;
  }

  #all<T>(request: Request, decode: (message: Attributes) => T): Promise<T[]> {
    return read(this.#connection, this.#family, request, decode, { dump: true });
  }

  async #one<T>(request: Request, decode: (message: Attributes) => T): Promise<T> {
    const [entry] = await read(this.#connection, this.#family, request, decode, { dump: false });
    if (entry === undefined) throw new DecodeError(`${request.label.command}: an answer without content`);
    return entry;
  }
}

async function tableOf<S extends VirtualService, D extends ConnectedDestination>(
  services: readonly S[],
  destinations: (id: VirtualServiceId) => Promise<D[]>,
): Promise<TableEntry<S, D>[]> {
  // The kernel counts where it was: an insertion between two pieces of a dump makes it say one twice.
  const unique = new Map(services.map((service) => [virtualServiceKey(service.id), service]));
  const table: TableEntry<S, D>[] = [];
  // One by one, so that others' requests come between, and the first failure is the last request.
  // Overlapping them over several sockets was measured: it saves less than a tenth.
  for (const service of unique.values()) table.push({ service, destinations: await destinations(service.id) });
  return table;
}

/** A read about one virtual service. */
function about(command: string, number: number, id: VirtualServiceId): Request {
  const { subject, body } = serviceIdentity(id);
  return { label: { command, subject }, number, body };
}
