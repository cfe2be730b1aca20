import { type Key, parseKey } from './keys.js';
import { decodeBackend, decodeDrain, decodeFrontend, decodeRoute, type Decoded, decodeSync } from './schema.js';
import type { Backend, Drain, Frontend, Route, SyncSettings } from './types.js';

/** Messages of one entry that are told. */
const MOST = 3;

/** What one entry puts into the configuration, and where. */
export type Content =
  | { readonly kind: 'frontend'; readonly service: string; readonly value: Frontend }
  | { readonly kind: 'backend'; readonly service: string; readonly backend: string; readonly value: Backend }
  | { readonly kind: 'route'; readonly route: string; readonly value: Route }
  | { readonly kind: 'sync'; readonly value: SyncSettings }
  | { readonly kind: 'balancerSync'; readonly balancer: string; readonly value: SyncSettings }
  | { readonly kind: 'hostDrain'; readonly host: string; readonly value: Drain }
  | { readonly kind: 'backendDrain'; readonly service: string; readonly backend: string; readonly value: Drain }
  | { readonly kind: 'balancerDrain'; readonly balancer: string; readonly value: Drain };

/** One key of one source as it was read last. */
export interface Entry {
  readonly text: string;
  /** What is in force: of this text, or, while that is bad, of the last good one. */
  readonly content?: Content;
  /**
   * `quarantined`: bad, its last good value in force. `rejected`: bad, and never was good, so nothing is in force.
   * `ignored`: nothing that configures anything.
   */
  readonly standing: 'good' | 'quarantined' | 'rejected' | 'ignored';
  /** What a person should know of it. */
  readonly messages: readonly string[];
}

/** Reads one entry. A bad one leaves what the previous one put in force. */
export function readEntry(path: string, text: string, previous?: Entry): Entry {
  const key = parseKey(path);
  const decoded = decodeContent(key, text);
  if (decoded === undefined) {
    const messages = key.kind === 'unknown' && key.problem !== undefined ? [key.problem] : [];
    return { text, standing: 'ignored', messages };
  }
  if (decoded.ok) {
    return { text, content: decoded.value, standing: 'good', messages: decoded.warnings };
  }
  const messages = shortened(decoded.messages);
  return previous?.content === undefined
    ? { text, standing: 'rejected', messages }
    : { text, content: previous.content, standing: 'quarantined', messages };
}

/** A list of a thousand bad items is one mistake. */
function shortened(messages: readonly string[]): readonly string[] {
  return messages.length > MOST
    ? [...messages.slice(0, MOST), `and ${messages.length - MOST} more like these`]
    : messages;
}

/** Written out and not `{ ...key, value }`, of which V8 gives each a hidden class of its own: 200 bytes an entry. */
function decodeContent(key: Key, text: string): Decoded<Content> | undefined {
  switch (key.kind) {
    case 'frontend': {
      const { kind, service } = key;
      return map(decodeFrontend(text), (value) => ({ kind, service, value }));
    }
    case 'backend': {
      const { kind, service, backend } = key;
      return map(decodeBackend(text), (value) => ({ kind, service, backend, value }));
    }
    case 'route': {
      const { kind, route } = key;
      return map(decodeRoute(text), (value) => ({ kind, route, value }));
    }
    case 'sync': {
      const { kind } = key;
      return map(decodeSync(text), (value) => ({ kind, value }));
    }
    case 'balancerSync': {
      const { kind, balancer } = key;
      return map(decodeSync(text), (value) => ({ kind, balancer, value }));
    }
    case 'hostDrain': {
      const { kind, host } = key;
      return map(readDrain(text), (value) => ({ kind, host, value }));
    }
    case 'backendDrain': {
      const { kind, service, backend } = key;
      return map(readDrain(text), (value) => ({ kind, service, backend, value }));
    }
    case 'balancerDrain': {
      const { kind, balancer } = key;
      return map(readDrain(text), (value) => ({ kind, balancer, value }));
    }
    case 'balancerStatus':
    case 'hostStatus':
    case 'unknown':
      break;
  }
  return undefined;
}

/** The key says all that has to be known: what is drained stays so, also for an agent that starts on a bad value. */
function readDrain(text: string): Decoded<Drain> {
  const decoded = decodeDrain(text);
  if (decoded.ok) {
    return decoded;
  }
  const warnings = decoded.messages.map((message) => `${message}: drained all the same`);
  return { ok: true, value: {}, unknown: {}, warnings };
}

function map<T>(decoded: Decoded<T>, place: (value: T) => Content): Decoded<Content> {
  return decoded.ok ? { ...decoded, value: place(decoded.value) } : decoded;
}
