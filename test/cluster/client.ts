/**
 * A client of the cluster, in a network namespace of its own: does what each line of standard input asks for (JSON, a
 * {@link ClientRequest}) and answers with a line (JSON, a {@link ClientAnswer}). Ends when standard input does.
 */
import { createSocket } from 'node:dgram';
import { request as http } from 'node:http';
import { isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';
import { mismatch, pattern } from '../e2e/pattern.js';

export interface Target {
  readonly address: string;
  readonly port: number;
}

export type ClientRequest = Target &
  (
    | { readonly id: number; readonly what: 'tcp' | 'udp'; readonly count: number }
    | { readonly id: number; readonly what: 'download'; readonly bytes: number }
    | { readonly id: number; readonly what: 'upload'; readonly bytes: number }
  );

/** One answer of a server: who it was, and whom it took the client for. */
export interface Reply {
  readonly from: string;
  readonly client: string;
}

export interface ClientAnswer {
  readonly id: number;
  readonly replies?: readonly Reply[];
  readonly error?: string;
}

const TIMEOUT_MS = 5000;
const AT_ONCE = 8;

async function answer(request: ClientRequest): Promise<readonly Reply[]> {
  if (request.what === 'download') return [await download(request, request.bytes)];
  if (request.what === 'upload') return [await upload(request, request.bytes)];
  const { count } = request;
  const ask = request.what === 'tcp' ? askByTcp : askByUdp;
  const replies: Reply[] = [];
  let begun = 0;
  const worker = async () => {
    while (begun < count) {
      begun += 1;
      replies.push(await ask(request));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return replies;
}

function reply(text: string): Reply {
  const [from = '', client = ''] = text.split('\n');
  return { from, client };
}

/** On a new connection, thus from a new port. */
async function askByTcp(target: Target): Promise<Reply> {
  return reply((await exchange(target, '/client')).toString());
}

async function download(target: Target, bytes: number): Promise<Reply> {
  const body = await exchange(target, `/bytes/${bytes}`);
  const wrong = mismatch(0, body);
  if (wrong !== undefined) throw new Error(`wrong byte at ${wrong}`);
  if (body.length !== bytes) throw new Error(`${body.length} bytes of ${bytes} came`);
  return { from: '', client: '' };
}

async function upload(target: Target, bytes: number): Promise<Reply> {
  const [from = '', arrived] = (await exchange(target, '/', pattern(0, bytes))).toString().split('\n');
  if (arrived !== String(bytes)) throw new Error(`${from} says of ${bytes} bytes: ${arrived}`);
  return { from, client: '' };
}

async function exchange({ address: host, port }: Target, path: string, body?: Buffer): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const request = http({ host, port, path, method, agent: false, timeout: TIMEOUT_MS }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => resolve(Buffer.concat(pieces)));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error(`tcp ${host}: no answer in ${TIMEOUT_MS} ms`)));
    request.on('error', reject);
    request.end(body);
  });
}

async function askByUdp({ address, port }: Target): Promise<Reply> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  try {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`udp ${address}: no answer in ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
      socket.on('message', (message) => {
        clearTimeout(timer);
        resolve(reply(message.toString()));
      });
      socket.on('error', reject);
      // Connected: an answer from another address than was asked would not arrive, as with most clients.
      socket.connect(port, address, () => socket.send('client'));
    });
  } finally {
    socket.close();
  }
}

for await (const line of createInterface(process.stdin)) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are of this project, see client-process.ts
  const request = JSON.parse(line) as ClientRequest;
  const say = (outcome: Omit<ClientAnswer, 'id'>) =>
    void process.stdout.write(`${JSON.stringify({ id: request.id, ...outcome })}\n`);
  answer(request).then(
    (replies) => say({ replies }),
    (error: unknown) => say({ error: error instanceof Error ? error.message : String(error) }),
  );
}
process.exit(0);
