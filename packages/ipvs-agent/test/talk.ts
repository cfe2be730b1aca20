/** Bytes through a virtual service of this machine: servers on loopback ports, and clients that talk to them. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { listen } from '../../../test/fixtures/listen.js';
import { until } from '../../../test/fixtures/until.js';
import { run } from './site.js';

/** Says its name to who connects, then whatever it is told. */
export class EchoServer implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;

  private constructor(port: number, server: Server, sockets: ReadonlySet<Socket>) {
    this.port = port;
    this.#server = server;
    this.#sockets = sockets;
  }

  static async start(name: string): Promise<EchoServer> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      socket.write(`${name}\n`);
      socket.pipe(socket);
    });
    return new EchoServer(await listen(server), server, sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** One connection to a virtual service. */
export class Conversation implements AsyncDisposable {
  /** Who answered. */
  readonly from: string;
  readonly #socket: Socket;
  #heard: string;

  private constructor(socket: Socket, from: string) {
    this.#socket = socket;
    this.#heard = '';
    this.from = from;
    socket.on('data', (text: string) => {
      this.#heard += text;
    });
  }

  /** @param from the client's own address; the kernel's choice unless given */
  static async open(host: string, port: number, from?: string): Promise<Conversation> {
    const socket = connect({ host, port, ...(from !== undefined && { localAddress: from }) })
      .setEncoding('utf8')
      .setNoDelay();
    const [greeting] = await once(socket, 'data', { signal: AbortSignal.timeout(5000) });
    socket.on('error', () => undefined);
    return new Conversation(socket, String(greeting).trim());
  }

  /** Bytes go out and come back. */
  async goesOn(): Promise<void> {
    const word = `${performance.now()};`;
    this.#socket.write(word);
    await until('the words come back', () => this.#heard.includes(word), 5000);
  }

  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = once(this.#socket, 'close');
    this.#socket.end();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}

/** Who answers one connection after the other. */
export async function whoAnswers(address: string, port: number, times: number): Promise<string[]> {
  const names: string[] = [];
  for (let i = 0; i < times; i += 1) {
    await using conversation = await Conversation.open(address, port);
    names.push(conversation.from);
    await conversation.close();
  }
  return names;
}

/** A server of datagrams on a loopback port, one answer for each. */
export async function startDatagramServer(name: string): Promise<{ readonly port: number } & AsyncDisposable> {
  const socket = createSocket('udp4');
  socket.on('message', (_, { port, address }) => socket.send(name, port, address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}

/** Who answers one datagram. @param from the client's own port; another each time unless given */
export async function askByDatagram(address: string, port: number, from = 0): Promise<string> {
  const client = createSocket('udp4');
  try {
    client.bind(from);
    await once(client, 'listening');
    client.send('who?', port, address);
    const [answer] = await once(client, 'message', { signal: AbortSignal.timeout(5000) });
    return String(answer);
  } finally {
    client.close();
  }
}

/** Gives this machine an address to publish on. */
export async function haveAddress(address: string): Promise<AsyncDisposable> {
  await run('ip', ['address', 'replace', `${address}/32`, 'dev', 'lo']);
  return {
    [Symbol.asyncDispose]: async () => {
      await run('ip', ['address', 'del', `${address}/32`, 'dev', 'lo']);
    },
  };
}
