import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { mismatch, pattern } from '../../e2e/pattern.js';
import type { Target } from '../client.js';

/** Between two things said. */
const RHYTHM_MS = 100;
/** Bytes said at a time. */
const SAYING = 64;
/** Times in milliseconds since the epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A connection as the router sees it. */
export interface Flow {
  readonly target: Target;
  /** The client's own. */
  readonly port: number;
}

/** Of one client's, its connections of either family apart: they may well have the same port. */
export function flowKey({ target, port }: Flow): string {
  return `${port} ${target.address}`;
}

export interface ConversationReport extends Flow {
  readonly label: string;
  readonly opened: number;
  /** The server's name, once it said anything. */
  readonly server?: string;
  readonly sent: number;
  readonly received: number;
  /** Times without a byte from the server while one was awaited: those longer than the rhythm. */
  readonly silences: readonly Span[];
  readonly broken?: { readonly at: number; readonly why: string };
}

/**
 * A long connection to test/e2e/server.ts: says numbered bytes, hears each of them again, and takes down how long that
 * took. Until `speak` nothing but TCP's handshake.
 */
export class Conversation {
  readonly #label: string;
  readonly #target: Target;
  readonly #socket: Socket;
  #opened = 0;
  #port = 0;
  #server: string | undefined;
  #channel: Duplex | undefined;
  #rhythm: NodeJS.Timeout | undefined;
  #sent = 0;
  #received = 0;
  /** When something came last, or was said first: silence counts from here. */
  #heard: number | undefined;
  readonly #silences: Span[] = [];
  #broken: { at: number; why: string } | undefined;

  private constructor(label: string, target: Target) {
    this.#label = label;
    this.#target = target;
    this.#socket = connect({ host: target.address, port: target.port, noDelay: true });
    this.#socket.on('error', (error) => this.#break(error.message));
    this.#socket.on('close', () => this.#break('closed by the server'));
  }

  /** Resolves when it is established, or broken. */
  static async open(label: string, target: Target): Promise<Conversation> {
    const conversation = new Conversation(label, target);
    const socket = conversation.#socket;
    await new Promise<void>((resolve) => void socket.once('connect', resolve).once('close', () => resolve()));
    conversation.#opened = Date.now();
    conversation.#port = socket.localPort ?? 0;
    return conversation;
  }

  /** From now on it talks. */
  speak(): void {
    if (this.#heard !== undefined || this.#broken !== undefined) return;
    this.#heard = Date.now();
    const wish = { connection: 'upgrade', upgrade: 'echo' };
    const asked = request({ createConnection: () => this.#socket, headers: wish });
    asked.on('error', (error) => this.#break(error.message));
    asked.on('upgrade', ({ headers }, channel: Duplex, head: Buffer) => {
      this.#server = String(headers.server);
      this.#channel = channel;
      channel.on('data', (piece: Buffer) => this.#hear(piece));
      if (head.length > 0) this.#hear(head);
      this.#say();
      this.#rhythm = setInterval(() => this.#say(), RHYTHM_MS);
    });
    asked.end();
  }

  /** Says nothing more; what it said is still answered. */
  hush(): void {
    clearInterval(this.#rhythm);
  }

  /** Whether it is broken, or nothing of what it said is without an answer. */
  get isSettled(): boolean {
    if (this.#broken !== undefined) return true;
    return this.#channel !== undefined && this.#received === this.#sent;
  }

  /** Ends it on purpose; if it has not settled, it is broken. */
  end(): void {
    if (!this.isSettled) this.#break('no answer');
    this.hush();
    this.#socket.removeAllListeners('close').destroy();
  }

  report(): ConversationReport {
    return {
      target: this.#target,
      port: this.#port,
      label: this.#label,
      opened: this.#opened,
      ...(this.#server === undefined ? {} : { server: this.#server }),
      sent: this.#sent,
      received: this.#received,
      silences: this.#silences,
      ...(this.#broken === undefined ? {} : { broken: this.#broken }),
    };
  }

  #say(): void {
    this.#channel?.write(pattern(this.#sent, SAYING));
    this.#sent += SAYING;
  }

  #hear(piece: Buffer): void {
    const wrong = mismatch(this.#received, piece);
    if (wrong !== undefined) return this.#break(`wrong byte at ${wrong}`);
    this.#received += piece.length;
    const span = { from: this.#heard ?? this.#opened, to: Date.now() };
    this.#heard = span.to;
    if (span.to - span.from > RHYTHM_MS) this.#silences.push(span);
  }

  #break(why: string): void {
    this.hush();
    this.#broken ??= { at: Date.now(), why };
    this.#socket.destroy();
  }
}
