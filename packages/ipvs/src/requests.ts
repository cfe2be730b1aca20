/** IPVS requests over a connection: reads that are retried where that is safe, and batches of commands. */
import { constants } from 'node:os';
import { CTRL, CTRL_CMD_GETFAMILY, GENL_ID_CTRL } from './attributes.js';
import type { Request } from './commands.js';
import { IpvsError } from './errors.js';
import type { Connection } from './netlink/connection.js';
import { NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from './netlink/constants.js';
import { type Attributes, attributesOf } from './netlink/reader.js';

const FAMILY_NAME = 'IPVS';
const FAMILY_VERSION = 1;

/**
 * Commands in one send. Measured in a quiet machine: 16 do four times the rate of one at a time, 64 a sixth more,
 * 1024 another fifth. What speaks against more: the kernel works off a whole send within the system call, while the
 * event loop stands still; and the answers to a send all of whose commands are refused have to fit the receive
 * buffer together (212,992 bytes unless the system has been tuned).
 */
const BATCH = 128;

/** Reads are tried this often where the table changes under them or answers are lost. */
const ATTEMPTS = 5;

/**
 * The id of the IPVS family. Asking makes the kernel load the module by itself where it is set up to.
 * @throws IpvsError ENOENT where the kernel has no IPVS
 */
export async function resolveFamily(connection: Connection): Promise<number> {
  let id: number | undefined;
  const label = { command: 'open' };
  const { errno } = await connection.exchange({
    label,
    write(writer, sequence) {
      const flags = NLM_F_REQUEST | NLM_F_ACK;
      const header = { type: GENL_ID_CTRL, flags, sequence, command: CTRL_CMD_GETFAMILY, version: 1 };
      writer.message(header, (w) => w.put(CTRL.familyName, FAMILY_NAME));
      return 1;
    },
    onMessage(message) {
      if (message.type === GENL_ID_CTRL) id = attributesOf(message).need(CTRL.familyId);
    },
  });
  if (id === undefined) throw new IpvsError(label, errno || constants.errno.ENOENT);
  return id;
}

/**
 * Reads one entry, or with `dump` all there are. A dump is taken anew if the kernel says that the table
 * changed meanwhile, and any read if its answers were lost.
 * @throws IpvsError @throws DecodeError
 */
export async function read<T>(
  connection: Connection,
  family: number,
  request: Request,
  decode: (message: Attributes) => T,
  { dump }: { readonly dump: boolean },
): Promise<T[]> {
  for (let attempt = 1; ; attempt++) {
    const entries: T[] = [];
    try {
      const { errno, interrupted } = await connection.exchange({
        label: request.label,
        write(writer, sequence) {
          const flags = NLM_F_REQUEST | NLM_F_ACK | (dump ? NLM_F_DUMP : 0);
          const header = { type: family, flags, sequence, command: request.number, version: FAMILY_VERSION };
          writer.message(header, request.body);
          return 1;
        },
        onMessage(message) {
          if (message.type === family) entries.push(decode(attributesOf(message)));
        },
      });
      if (errno !== 0) throw new IpvsError(request.label, errno);
      if (!interrupted) return entries;
      if (attempt === ATTEMPTS) throw new IpvsError(request.label, constants.errno.EINTR);
    } catch (error) {
      if (!(error instanceof IpvsError && error.code === 'ENOBUFS' && attempt < ATTEMPTS)) throw error;
    }
  }
}

/**
 * Carries out commands in order, many to a send. Each has its error or undefined at its place; one that
 * is refused does not keep the rest from being tried. If answers are lost or do not come, the commands
 * of that send are reported with that error, their outcome unknown, and so are all after it, not sent.
 * @throws DecodeError
 */
export async function send(
  connection: Connection,
  family: number,
  requests: readonly Request[],
): Promise<(IpvsError | undefined)[]> {
  const results: (IpvsError | undefined)[] = [];
  for (let start = 0; start < requests.length; start += BATCH) {
    const slice = requests.slice(start, start + BATCH);
    try {
      results.push(...(await sendSlice(connection, family, slice)));
    } catch (cause) {
      if (!(cause instanceof IpvsError)) throw cause;
      return [...results, ...requests.slice(start).map(({ label }) => new IpvsError(label, cause.errno, { cause }))];
    }
  }
  return results;
}

async function sendSlice(connection: Connection, family: number, requests: readonly Request[]) {
  const [first] = requests;
  if (first === undefined) return [];
  const errnos = Array<number>(requests.length).fill(0);
  const last = requests.length - 1;
  const { errno } = await connection.exchange({
    label: first.label,
    write(writer, sequence) {
      for (const [index, { number, body }] of requests.entries()) {
        // Refusals are always answered; success only of the last, whose ACK says that all are done.
        const flags = index === last ? NLM_F_REQUEST | NLM_F_ACK : NLM_F_REQUEST;
        const header = { type: family, flags, sequence: sequence + index, command: number, version: FAMILY_VERSION };
        writer.message(header, body);
      }
      return requests.length;
    },
    onRefusal(index, refusal) {
      errnos[index] = refusal;
    },
  });
  errnos[last] = errno;
  return requests.map(({ label }, index) => {
    const refusal = errnos[index] ?? 0;
    return refusal === 0 ? undefined : new IpvsError(label, refusal);
  });
}
