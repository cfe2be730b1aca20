import type { DockerEvent } from './container.js';
import { signalNumber } from './signals.js';

/**
 * Events that can change a registration or a route; above all not the `exec_*` ones of every health check. Podman
 * takes some by other names than it tells them by: `died` for `die`, `remove` for `destroy`.
 */
export const ACTIONS: readonly string[] =
  'start die died stop kill pause unpause destroy remove rename update health_status create connect disconnect'.split(
    ' ',
  );

/** Characters. A container may have labels without limit, and all of them are in each of its events. */
const LONGEST_EVENT = 4 * 1024 * 1024;

/** Characters; what goes on for longer is no event of anybody's. */
const ENDLESS = 16 * LONGEST_EVENT;

/**
 * The events of a stream, a line each. Ends where the stream does, were it in the middle of a line. One that is too long
 * is passed over, rather than have it break the stream again and again: its container is found by listing.
 *
 * @throws Error for anything that is no event: what follows it is not to be trusted either
 */
export async function* decodeEvents(chunks: AsyncIterable<string> | Iterable<string>): AsyncGenerator<DockerEvent> {
  let rest = '';
  /** Of the line that is passed over, if one is. */
  let passed = 0;
  for await (const chunk of chunks) {
    const [first = '', ...others] = chunk.split('\n');
    // What is there already has no end of a line in it, and is not searched for one with every piece that follows.
    const lines = [rest + first, ...others];
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const isTooLong = passed + line.length > LONGEST_EVENT;
      const event = isTooLong || line.trim() === '' ? undefined : decodeEvent(parse(line));
      passed = 0;
      if (event !== undefined) yield event;
    }
    if (passed > 0 || rest.length > LONGEST_EVENT) {
      passed += rest.length;
      rest = '';
    }
    if (passed > ENDLESS) throw new Error('an event of docker has no end');
  }
}

/** Without a word of what it was: events carry all labels of a container. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error('an event of docker is not JSON');
  }
}

/** One line of GET /events, as far as we look at it. */
interface EventMessage {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes?: Readonly<Record<string, string>> | null };
  readonly timeNano: number;
}

function isEvent(value: unknown): value is EventMessage {
  if (typeof value !== 'object' || value === null) return false;
  const { Type, Action, Actor, timeNano }: { [name in keyof EventMessage]?: unknown } = value;
  return (
    typeof Type === 'string' &&
    typeof Action === 'string' &&
    typeof timeNano === 'number' &&
    typeof Actor === 'object' &&
    Actor !== null &&
    'ID' in Actor &&
    typeof Actor.ID === 'string'
  );
}

/** Undefined for what is not about a container or a network. @throws Error for what is no event */
export function decodeEvent(message: unknown): DockerEvent | undefined {
  if (!isEvent(message)) throw new Error('an event of docker lacks its type, action, actor or time');
  const { Type, Action, Actor, timeNano } = message;
  const time = timeNano / 1e6;
  const attributes = Actor.Attributes ?? {};
  if (Type === 'container') {
    const signal = Action === 'kill' ? signalNumber(attributes['signal'] ?? '') : undefined;
    // Labels arrive among the attributes, beside `image` and `name`.
    const event = { type: Type, action: Action, id: Actor.ID, labels: attributes, time } as const;
    return signal === undefined ? event : { ...event, signal };
  }
  if (Type !== 'network') return undefined;
  if (Action !== 'connect' && Action !== 'disconnect') return { type: Type, action: Action, time };
  // Docker's actor is the network, Podman's the container.
  return { type: Type, action: Action, time, container: attributes['container'] ?? Actor.ID };
}
