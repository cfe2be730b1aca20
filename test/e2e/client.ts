/**
 * The client of the end-to-end tests and the demo, run in a network namespace of its own.
 *
 *     client.js http ADDRESS PORT      a request on a new connection every INTERVAL_MS; a JSON line for each
 *     client.js udp ADDRESS PORT       the same with datagrams, each from a new port
 *     client.js stream ADDRESS PORT    one long download, every byte checked; a JSON line every second
 *
 * Ends when standard input does.
 */
import { createSocket } from 'node:dgram';
import { get } from 'node:http';
import { mismatch } from './pattern.js';

/** One line of `http` and `udp`. Times are in milliseconds since the epoch. */
export interface Answer {
  readonly began: number;
  /** Counts the requests in the order they were begun. */
  readonly number: number;
  readonly took: number;
  /** The host name that answered. */
  readonly from?: string;
  readonly error?: string;
}

/** One line of `stream`. */
export interface Progress {
  readonly bytes: number;
  readonly error?: string;
}

let asked = 0;

const INTERVAL_MS = Number(process.env['INTERVAL_MS'] ?? 50);
const TIMEOUT_MS = 3000;

function say(line: Answer | Progress): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function ask(mode: 'http' | 'udp', address: string, port: number): void {
  const began = Date.now();
  const number = (asked += 1);
  const once = (outcome: { from: string } | { error: string }) =>
    say({ number, began, took: Date.now() - began, ...outcome });
  if (mode === 'http') askHttp(address, port, once);
  else askUdp(address, port, once);
}

type Answered = (outcome: { from: string } | { error: string }) => void;

function askHttp(address: string, port: number, answered: Answered): void {
  const request = get({ host: address, port, agent: false, timeout: TIMEOUT_MS }, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    response.on('end', () => answered({ from: body.trim() }));
    response.on('error', (error) => answered({ error: error.message }));
  });
  request.on('timeout', () => request.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
  request.on('error', (error) => answered({ error: error.message }));
}

function askUdp(address: string, port: number, answered: Answered): void {
  const socket = createSocket('udp4');
  const timer = setTimeout(() => {
    socket.close();
    answered({ error: `no answer in ${TIMEOUT_MS} ms` });
  }, TIMEOUT_MS);
  const finish = (outcome: { from: string } | { error: string }) => {
    clearTimeout(timer);
    socket.close();
    answered(outcome);
  };
  socket.on('message', (message) => finish({ from: message.toString().trim() }));
  socket.on('error', (error) => finish({ error: error.message }));
  socket.send('who?', port, address);
}

function download(address: string, port: number): void {
  let bytes = 0;
  const fail = (error: string) => {
    say({ bytes, error });
    process.exit(1);
  };
  get({ host: address, port, path: '/stream', agent: false, timeout: TIMEOUT_MS }, (response) => {
    response.on('data', (piece: Buffer) => {
      const wrong = mismatch(bytes, piece);
      if (wrong !== undefined) fail(`wrong byte at ${wrong}`);
      bytes += piece.length;
    });
    response.on('end', () => fail('the stream ended'));
    response.on('error', (error) => fail(error.message));
  })
    .on('timeout', () => fail(`no byte in ${TIMEOUT_MS} ms`))
    .on('error', (error) => fail(error.message));
  setInterval(() => say({ bytes }), 1000);
}

const [mode, address = '', portText] = process.argv.slice(2);
const port = Number(portText);
process.stdin.on('end', () => process.exit(0)).resume();
if (mode === 'stream') download(address, port);
else if (mode === 'http' || mode === 'udp') setInterval(() => ask(mode, address, port), INTERVAL_MS);
else throw new Error(`client: mode ${mode}: expected http, udp or stream`);
