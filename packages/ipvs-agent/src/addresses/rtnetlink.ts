import {
  createRtNetlink,
  Flags,
  FlagsGet,
  FlagsNew,
  formatAttribute,
  parseAttributes,
  rt,
  type RtNetlinkSocket,
} from 'netlink';
import { fromBytes, toBytes } from './bytes.js';
import { RtnetlinkError } from './rtnetlink-error.js';

export interface Link {
  readonly index: number;
  /** Such as `dummy`; absent for devices that are of no kind, such as real ones and `lo`. */
  readonly kind: string | undefined;
  readonly up: boolean;
}

/** A device as whoever looks at a machine sees it. */
export interface NamedLink extends Link {
  readonly name: string;
  /** Bytes. */
  readonly mtu: number;
  readonly loopback: boolean;
  /** Neighbours find it by ARP: not loopback, tunnels and dummies. */
  readonly arp: boolean;
}

export interface DeviceAddress {
  /** Index of the device that it is on. */
  readonly device: number;
  /** Canonical. */
  readonly address: string;
  readonly prefixLength: number;
  /** Of the device only, and not a pair of ends: what we make are such. */
  readonly whole: boolean;
}

/** Milliseconds of silence after which a request fails. */
const TIMEOUT = 5000;
/**
 * Changes that are under way at once. One at a time takes up to twice as long; more than this gains nothing, and all
 * answers of these fit into the socket's buffer.
 */
const WINDOW = 64;
const RECEIVE_BUFFER = 1024 * 1024;
/** As much as the kernel puts into one datagram of a dump. */
const LONGEST_DATAGRAM = 32 * 1024;
/** Against somebody who changes addresses as fast as we read them. */
const MAX_READS = 5;

const AF_INET = 2;
const AF_INET6 = 10;
const IFLA_INFO_KIND = 1;

/**
 * Devices and addresses of the network namespace this process is in, over the `netlink` package's rtnetlink socket.
 *
 * INVARIANTS
 * - One exchange at a time: two dumps at once on one socket break each other. Single changes may overlap.
 * - After a fault (overrun, silence) the socket is thrown away, and the next exchange opens another: what still
 *   arrives on the old one belongs to nobody.
 * - The event loop is kept alive by the exchange under way, never by an idle socket.
 */
export class Rtnetlink {
  #socket: RtNetlinkSocket | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** Ends the exchange under way. */
  #fail: (error: Error) => void = () => {};

  /** The device of that name; undefined if there is none. @throws RtnetlinkError */
  async link(name: string): Promise<Link | undefined> {
    try {
      const [link] = await this.#exchange(`look up ${name}`, (socket) =>
        socket.getLink({}, { ifname: name }, { timeout: TIMEOUT }),
      );
      if (link === undefined) return undefined;
      const { data, attrs } = link;
      return { index: data.index ?? 0, kind: kindOf(attrs.linkinfo), up: data.flags?.up === true };
    } catch (error) {
      if (error instanceof RtnetlinkError && error.code === 'ENODEV') return undefined;
      throw error;
    }
  }

  /** Makes a dummy device and sets it up, both or neither. @throws RtnetlinkError EEXIST if the name is taken, EPERM, ENOTSUP */
  async makeDummy(name: string): Promise<void> {
    const linkinfo = Buffer.concat(formatAttribute({ type: IFLA_INFO_KIND, data: Buffer.from('dummy\0') }));
    await this.#exchange(`make ${name}`, (socket) =>
      socket.newLink(
        { flags: { up: true }, change: { up: true } },
        { ifname: name, linkinfo },
        { flags: FlagsNew.CREATE | FlagsNew.EXCL, timeout: TIMEOUT },
      ),
    );
  }

  /** @throws RtnetlinkError ENODEV, EPERM */
  async setUp(index: number): Promise<void> {
    await this.#exchange('set up', (socket) =>
      socket.setLink({ index, flags: { up: true }, change: { up: true } }, {}, { timeout: TIMEOUT }),
    );
  }

  /** Removes the device with its addresses. @throws RtnetlinkError ENODEV, EPERM */
  async removeLink(index: number): Promise<void> {
    await this.#exchange('remove', (socket) => socket.delLink({ index }, {}, { timeout: TIMEOUT }));
  }

  /** What all devices are called, by index. @throws RtnetlinkError */
  async names(): Promise<ReadonlyMap<number, string>> {
    return new Map((await this.links()).map(({ index, name }) => [index, name]));
  }

  /** All devices. @throws RtnetlinkError */
  async links(): Promise<readonly NamedLink[]> {
    const links = await this.#exchange('list devices', (socket) => socket.getLinks({}, {}, { timeout: TIMEOUT }));
    return links.map(({ data: { index = 0, flags = {} }, attrs }) => ({
      index,
      name: attrs.ifname ?? '',
      kind: kindOf(attrs.linkinfo),
      up: flags.up === true,
      mtu: attrs.mtu ?? 0,
      loopback: flags.loopback === true,
      arp: flags.loopback !== true && flags.noarp !== true,
    }));
  }

  /** All addresses of all devices, of both families. @throws RtnetlinkError EINTR if they do not hold still */
  async addresses(): Promise<DeviceAddress[]> {
    for (let read = 1; ; read += 1) {
      const [messages] = await this.#exchange('list addresses', ({ socket }) =>
        socket.request(rt.MessageType.GETADDR, rt.formatAddress({}), { flags: FlagsGet.DUMP, timeout: TIMEOUT }),
      );
      // An address added or removed between two pieces of a dump may make it leave out another.
      const interrupted = messages.some(({ flags }) => (flags & Flags.DUMP_INTR) !== 0);
      if (!interrupted) return messages.flatMap(({ type, data }) => addressIn(rt.parseMessage(type, data)));
      if (read === MAX_READS) throw new RtnetlinkError('list addresses', 'EINTR');
    }
  }

  /**
   * Adds single addresses (/32, /128), which are of use at once: nobody waits for a duplicate to answer.
   *
   * @returns at the place of each its error, or undefined if it was added
   */
  async add(index: number, addresses: readonly string[]): Promise<(RtnetlinkError | undefined)[]> {
    return await this.#change(addresses, 'add', async (socket, { family, prefixlen, bytes }) => {
      const flags = FlagsNew.CREATE | FlagsNew.EXCL;
      await socket.newAddress(
        { family, prefixlen, index, scope: 0, flags: { nodad: true } },
        { local: bytes, address: bytes },
        { flags, timeout: TIMEOUT },
      );
    });
  }

  /** Removes single addresses. @returns at the place of each its error, or undefined if it was removed */
  async remove(index: number, addresses: readonly string[]): Promise<(RtnetlinkError | undefined)[]> {
    return await this.#change(addresses, 'remove', async (socket, { family, prefixlen, bytes }) => {
      await socket.delAddress({ family, prefixlen, index }, { local: bytes, address: bytes }, { timeout: TIMEOUT });
    });
  }

  /** Ends the exchange under way with ECANCELED. */
  close(): void {
    this.#fault(new RtnetlinkError('close', 'ECANCELED'));
  }

  async #change(
    addresses: readonly string[],
    command: string,
    request: (socket: RtNetlinkSocket, address: ReturnType<typeof encode>) => Promise<void>,
  ): Promise<(RtnetlinkError | undefined)[]> {
    const errors: (RtnetlinkError | undefined)[] = [];
    while (errors.length < addresses.length) {
      const some = addresses.slice(errors.length, errors.length + WINDOW);
      try {
        const answers = await this.#exchange(`${command} addresses`, async (socket) =>
          Promise.all(
            some.map(async (address) => await attempt(`${command} ${address}`, request(socket, encode(address)))),
          ),
        );
        errors.push(...answers);
      } catch (thrown) {
        // The socket is at fault, so no others are tried.
        const fault = RtnetlinkError.from(command, thrown);
        while (errors.length < addresses.length) errors.push(fault);
      }
    }
    return errors;
  }

  /** Runs when all before it have ended. @throws RtnetlinkError */
  #exchange<T>(command: string, run: (socket: RtNetlinkSocket) => Promise<T>): Promise<T> {
    const outcome = this.#queue.then(async () => {
      try {
        const fault = new Promise<never>((_, reject) => {
          this.#fail = reject;
        });
        return await Promise.race([run((this.#socket ??= this.#open())), fault]);
      } catch (thrown) {
        const error = RtnetlinkError.from(command, thrown);
        if (error.code === 'ETIMEDOUT') this.#drop();
        throw error;
      }
    });
    this.#queue = outcome.catch(() => undefined);
    return outcome;
  }

  #open(): RtNetlinkSocket {
    const opened = createRtNetlink({
      ref: false,
      messagePeeking: false,
      msgBufferSize: LONGEST_DATAGRAM,
      recvBufferSize: RECEIVE_BUFFER,
      sendBufferSize: 0,
    });
    const fault = (error: Error) => {
      if (this.#socket === opened) this.#fault(error);
    };
    opened.socket.on('error', fault);
    opened.socket.on('truncatedMessage', () => fault(new RtnetlinkError('receive', 'EMSGSIZE')));
    return opened;
  }

  #fault(error: Error): void {
    this.#drop();
    this.#fail(error);
  }

  /** Closed outside of the socket's own callbacks: its native code goes on using it after they return. */
  #drop(): void {
    const dropped = this.#socket;
    this.#socket = undefined;
    if (dropped) setImmediate(() => dropped.socket.close());
  }
}

/** What the kernel refuses is an answer; silence is a fault. */
async function attempt(command: string, request: Promise<void>): Promise<RtnetlinkError | undefined> {
  try {
    await request;
    return undefined;
  } catch (thrown) {
    const error = RtnetlinkError.from(command, thrown);
    if (error.code === 'ETIMEDOUT') throw error;
    return error;
  }
}

function encode(address: string) {
  const bytes = toBytes(address);
  return { family: bytes.length === 4 ? AF_INET : AF_INET6, prefixlen: bytes.length * 8, bytes };
}

/** The address that a message of a dump is about, if it is about one. */
function addressIn(message: rt.Message): DeviceAddress[] {
  if (message.kind !== 'address') return [];
  const { index: device = 0, prefixlen = 0 } = message.data;
  const { local, address = local } = message.attrs;
  if (address === undefined) return [];
  // IPv6 has IFA_LOCAL only where there are two ends.
  const own = fromBytes(local ?? address);
  if (own === undefined) return [];
  const whole = prefixlen === address.length * 8 && (local === undefined || local.equals(address));
  return [{ device, address: own, prefixLength: prefixlen, whole }];
}

function kindOf(linkinfo: Buffer | undefined): string | undefined {
  let kind: string | undefined;
  if (linkinfo)
    parseAttributes(linkinfo, ({ type, data }) => {
      if (type === IFLA_INFO_KIND) kind = Buffer.from(data).toString('latin1').replace(/\0.*$/, '');
    });
  return kind;
}
