import { describe, expect, test } from '@jest/globals';
import { DecodeError, IpvsClient, IpvsError, type VirtualServiceId } from '../src/index.js';
import { type Answer, ScriptedSocket, type Sent } from './support/scriptedSocket.js';
import { message, traceOf } from './support/trace.js';

const SERVICE = traceOf('ipvsadm -L -n').answers[0]?.payload ?? '';
const DUMP_INTR = 0x10;
const id: VirtualServiceId = { family: 'ipv4', protocol: 'tcp', address: '10.0.0.1', port: 80 };

/** A client whose sockets answer by the script, step by step, across sockets; and the sockets it opened. */
async function scripted(...script: Answer[]) {
  const sockets: ScriptedSocket[] = [];
  const client = await IpvsClient.open({
    timeout: 100,
    openSocket() {
      const socket = new ScriptedSocket(script);
      sockets.push(socket);
      return socket;
    },
  });
  return { client, sockets, left: () => script.length };
}

const only = (requests: readonly Sent[]): Sent => {
  const [request] = requests;
  if (request === undefined || requests.length !== 1) throw new Error(`one request expected, not ${requests.length}`);
  return request;
};

/** A step that answers the dump with one service. */
const dumped: Answer = (socket, requests) => {
  socket.entry(only(requests), SERVICE);
  socket.done(only(requests));
};

const changed: Answer = (socket, requests) => socket.done(only(requests), { flags: 2 | DUMP_INTR });
const overrun: Answer = (socket) => socket.overrun();

describe('a dump during which the table changes', () => {
  test.each<[string, Answer]>([
    [
      'its first message',
      (socket, requests) => {
        socket.entry(only(requests), SERVICE, 2 | DUMP_INTR);
        socket.entry(only(requests), SERVICE);
        socket.done(only(requests));
      },
    ],
    [
      'its DONE',
      (socket, requests) => {
        socket.entry(only(requests), SERVICE);
        socket.done(only(requests), { flags: 2 | DUMP_INTR });
      },
    ],
  ])('is taken again when the kernel says so on %s', async (_, interrupted) => {
    const { client, left } = await scripted(interrupted, dumped);
    expect(await client.services()).toHaveLength(1);
    expect(left()).toBe(0);
  });

  test('is given up as EINTR after five times', async () => {
    const { client, left } = await scripted(changed, changed, changed, changed, changed, dumped);
    await expect(client.services()).rejects.toMatchObject({ name: 'IpvsError', code: 'EINTR', command: 'services' });
    expect(left()).toBe(1);
  });

  test('that ends with an error in its DONE fails with that error', async () => {
    const { client } = await scripted((socket, requests) => socket.done(only(requests), { errno: 12 }));
    await expect(client.services()).rejects.toMatchObject({ code: 'ENOMEM' });
  });
});

describe('a table that changes between two pieces of a dump', () => {
  test('has each virtual service once, though the kernel says one twice', async () => {
    const { client } = await scripted(
      (socket, requests) => {
        socket.entry(only(requests), SERVICE);
        socket.entry(only(requests), SERVICE);
        socket.done(only(requests));
      },
      (socket, requests) => socket.done(only(requests)),
    );
    expect(await client.table()).toHaveLength(1);
  });
});

test('a table of which one part cannot be read asks for no further part', async () => {
  const other = SERVICE.replace('0a000001', '0a000009');
  const { client, left } = await scripted(
    (socket, requests) => {
      socket.entry(only(requests), SERVICE);
      socket.entry(only(requests), other);
      socket.done(only(requests));
    },
    (socket, requests) => socket.done(only(requests), { errno: 12 }),
    dumped,
  );
  await expect(client.table()).rejects.toMatchObject({ code: 'ENOMEM', command: 'destinations' });
  expect(left()).toBe(1);
  expect(await client.services()).toHaveLength(1);
});

describe('lost answers', () => {
  test('make a read start again on a fresh socket', async () => {
    const { client, sockets } = await scripted((socket, requests) => {
      socket.entry(only(requests), SERVICE);
      socket.overrun();
    }, dumped);
    expect(await client.services()).toHaveLength(1);
    expect(sockets.map(({ closed }) => closed)).toEqual([true, false]);
  });

  test('of a read that overruns each time end it as ENOBUFS', async () => {
    const { client, sockets } = await scripted(overrun, overrun, overrun, overrun, overrun, dumped);
    await expect(client.services()).rejects.toMatchObject({ code: 'ENOBUFS' });
    expect(sockets).toHaveLength(5);
    expect(await client.services()).toHaveLength(1);
  });

  test('of a command are reported, for it may have been carried out: it is not sent again', async () => {
    const { client, sockets, left } = await scripted(overrun, dumped);
    await expect(client.delService(id)).rejects.toMatchObject({
      code: 'ENOBUFS',
      command: 'delService',
      message: expect.stringContaining('delService tcp 10.0.0.1:80: '),
    });
    expect(left()).toBe(1);
    expect(await client.services()).toHaveLength(1);
    expect(sockets).toHaveLength(2);
  });

  test('of a batch mark its commands from that send on, and keep the results before it', async () => {
    const { client } = await scripted((socket, requests) => {
      const [first, last] = [requests[0], requests.at(-1)];
      if (first) socket.acknowledge(first, 3);
      if (last) socket.acknowledge(last);
    }, overrun);
    const results = await client.batch(
      Array.from({ length: 300 }, () => ({ command: 'delService', service: id }) as const),
    );
    const codes = results.map((error) => error?.code);
    expect(codes).toHaveLength(300);
    expect(codes[0]).toBe('ESRCH');
    const from = codes.indexOf('ENOBUFS');
    expect(codes.slice(1, from)).toEqual(Array(from - 1).fill(undefined));
    expect(codes.slice(from)).toEqual(Array(300 - from).fill('ENOBUFS'));
  });
});

describe('no answer', () => {
  test('ends a request as ETIMEDOUT, and the next goes over a fresh socket', async () => {
    const { client, sockets } = await scripted(() => undefined, dumped);
    await expect(client.zero(id)).rejects.toMatchObject({ code: 'ETIMEDOUT', command: 'zero' });
    expect(await client.services()).toHaveLength(1);
    expect(sockets).toHaveLength(2);
  });

  test('comes late: nobody takes it for the answer to the next request', async () => {
    let late: (() => void) | undefined;
    const { client } = await scripted(
      (socket, requests) => {
        late = () => socket.acknowledge(only(requests), 17);
      },
      (socket, requests) => {
        late?.();
        socket.acknowledge(only(requests));
      },
    );
    await expect(client.flush()).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    await expect(client.flush()).resolves.toBeUndefined();
  });
});

describe('stray messages', () => {
  test('with another sequence, port, sender or family are ignored', async () => {
    const { client, sockets } = await scripted((socket, requests) => {
      const { sequence, ...rest } = only(requests);
      socket.acknowledge({ ...rest, sequence: sequence - 1 }, 1);
      socket.acknowledge({ ...rest, sequence: sequence + 1 }, 1);
      socket.entry({ ...rest, sequence: sequence - 1 }, SERVICE);
      socket.entry({ ...rest, sequence: sequence + 1 }, SERVICE);
      socket.deliver(message('ffffffff', { type: 2, sequence, port: 8 }));
      socket.deliver(message('ffffffff', { type: 2, sequence, port: 7 }), 4242);
      socket.deliver(message('01010000', { type: 29, sequence, port: 7 }));
      socket.deliver(message('', { type: 1, sequence, port: 7 }));
      socket.deliver(new Uint8Array(0));
      dumped(socket, requests);
    });
    expect(await client.services()).toHaveLength(1);
    expect(sockets).toHaveLength(1);
  });

  test('such as a second answer to the request before are ignored', async () => {
    let before: Sent | undefined;
    const { client, sockets } = await scripted(
      (socket, requests) => {
        before = only(requests);
        socket.acknowledge(before);
      },
      (socket, requests) => {
        if (before) socket.acknowledge(before, 17);
        socket.acknowledge(only(requests));
      },
    );
    await client.flush();
    await expect(client.zero()).resolves.toBeUndefined();
    expect(sockets).toHaveLength(1);
  });

  test('while nothing is asked are ignored', async () => {
    const { client, sockets } = await scripted(dumped);
    sockets[0]?.deliver(Buffer.from('nonsense'));
    expect(await client.services()).toHaveLength(1);
  });
});

describe('an answer that makes no sense', () => {
  test.each<[string, Answer]>([
    [
      'is truncated',
      (socket) => void socket.emit('truncatedMessage', Buffer.alloc(32768), { port: 0, truncated: 40000 }),
    ],
    ['lies about its length', (socket) => socket.deliver(Buffer.from('ff000000'.repeat(4), 'hex'))],
    ['lacks what must be there', (socket, requests) => socket.entry(only(requests), '01010000')],
  ])('because it %s raises DecodeError, and the next request goes over a fresh socket', async (_, nonsense) => {
    const { client, sockets } = await scripted(nonsense, dumped);
    await expect(client.services()).rejects.toBeInstanceOf(DecodeError);
    expect(await client.services()).toHaveLength(1);
    expect(sockets.map(({ closed }) => closed)).toEqual([true, false]);
  });
});

describe('a refusal', () => {
  test('EPERM says which capability is missing', async () => {
    const { client } = await scripted((socket, requests) => socket.acknowledge(only(requests), 1));
    await expect(client.flush()).rejects.toThrow(
      'flush: not permitted: needs CAP_NET_ADMIN in the network namespace (EPERM)',
    );
  });

  test('of a socket by the system is an IpvsError with its cause', async () => {
    const cause = Object.assign(new Error('socket failed'), { errno: 93, code: 'EPROTONOSUPPORT' });
    const opening = IpvsClient.open({
      openSocket() {
        throw cause;
      },
    });
    await expect(opening).rejects.toMatchObject({ name: 'IpvsError', code: 'EPROTONOSUPPORT', command: 'open', cause });
  });
});

describe('closing', () => {
  test('ends what is under way as ECANCELED and what waits as EBADF', async () => {
    const { client, sockets } = await scripted((socket) => {
      client.close();
      expect(socket.closed).toBe(false); // Not within its own callback: native code is still using it.
    });
    const outcomes = await Promise.allSettled([client.services(), client.flush()]);
    expect(
      outcomes.map((one) => (one.status === 'rejected' && one.reason instanceof IpvsError ? one.reason.code : one)),
    ).toEqual(['ECANCELED', 'EBADF']);
    await expect(client.info()).rejects.toMatchObject({ code: 'EBADF' });
    await new Promise(setImmediate);
    expect(sockets.map(({ closed }) => closed)).toEqual([true]);
  });
});

describe('the event loop', () => {
  test('is kept alive by a request under way, not by an idle client', async () => {
    let during: boolean | undefined;
    const { client, sockets } = await scripted((socket, requests) => {
      during = socket.referenced;
      dumped(socket, requests);
    });
    expect(sockets[0]?.referenced).toBe(false);
    await client.services();
    expect(during).toBe(true);
    expect(sockets[0]?.referenced).toBe(false);
  });
});

test('a batch asks for one answer, after its last command', async () => {
  const flags: number[] = [];
  const { client } = await scripted((socket, requests) => {
    flags.push(...requests.map((request) => request.flags));
    const last = requests.at(-1);
    if (last) socket.acknowledge(last);
  });
  await client.batch([{ command: 'flush' }, { command: 'zero' }, { command: 'flush' }]);
  expect(flags).toEqual([1, 1, 1 | 4]); // NLM_F_REQUEST, and NLM_F_ACK on the last.
});

describe('requests made at once', () => {
  test('go out one after another, in order', async () => {
    const commands: number[] = [];
    const answer: Answer = (socket, requests) => {
      commands.push(only(requests).command);
      setImmediate(() => socket.acknowledge(only(requests)));
    };
    const { client } = await scripted(answer, answer, answer);
    await Promise.all([client.zero(), client.flush(), client.delService(id)]);
    expect(commands).toEqual([16, 17, 3]);
  });
});
