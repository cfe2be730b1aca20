import * as z from 'zod';
import { parsePrefix } from './addresses.js';
import {
  address,
  flag,
  folding,
  integer,
  isObject,
  kernelName,
  list,
  oneOf,
  optional,
  record,
  text,
} from './fields.js';
import { quote } from './quote.js';
import type { Backend, Drain, Frontend, Route, SyncSettings } from './types.js';

/** What a value of the tree says, or why it cannot be used. */
export type Decoded<T> =
  | {
      readonly ok: true;
      readonly value: T;
      /** Fields nobody here knows, as written; an `encode…` of the same entry takes them back. */
      readonly unknown: Readonly<Record<string, unknown>>;
      /** Things that were taken, as the Go program took them, but that a person had better mend. */
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly messages: readonly string[] };

/** The kernel's `int` and `u32`. */
/** 31 days, ipvsadm's limit too: the kernel multiplies by its clock rate and does not look whether that fits. */
const MAX_PERSISTENCE = 31 * 24 * 60 * 60;
const MAX_INT = 2_147_483_647;
const MAX_UINT = 4_294_967_295;

const DEFAULT_WEIGHT = 10;

const port = integer('a port', 1, 65_535);
const method = oneOf(['masq', 'droute', 'tunnel']);

/** What frontends and backends share. */
const endpoint = {
  ipv4: optional(address('ipv4')),
  ipv6: optional(address('ipv6')),
  tcp: optional(port),
  udp: optional(port),
  sctp: optional(port),
};

/** The names ipvsadm takes after `-b`. */
const schedulerFlag = oneOf(['flag-1', 'flag-2', 'flag-3', 'sh-fallback', 'sh-port', 'mh-fallback', 'mh-port']);

const frontend = z.object({
  ...endpoint,
  fwmark: optional(integer('a firewall mark', 1, MAX_UINT)),
  scheduler: optional(kernelName('a scheduler such as wlc', 15)),
  schedulerFlags: optional(list(schedulerFlag, 'a list of flags such as ["sh-port"]')),
  persistence: record({
    timeout: integer('seconds', 1, MAX_PERSISTENCE),
    netmask: optional(integer('leading bits of client addresses', 1, 128)),
  }).exactOptional(),
  onePacket: optional(flag),
  method: optional(method),
});

const backend = z
  .object({
    ...endpoint,
    weight: integer('a weight', 0, MAX_INT).default(DEFAULT_WEIGHT),
    upperThreshold: optional(integer('connections', 0, MAX_UINT)),
    lowerThreshold: optional(integer('connections', 0, MAX_UINT)),
    host: optional(text),
    container: optional(text),
  })
  .refine(({ lowerThreshold = 0, upperThreshold = 0 }) => lowerThreshold <= upperThreshold, {
    path: ['lowerThreshold'],
    message: 'is above upperThreshold; expected at most that, as the kernel does',
  });

const route = z.object({
  prefix: text
    .transform((value, context) => {
      const parsed = parsePrefix(value);
      if (parsed.ok) {
        return parsed.value.text;
      }
      context.addIssue(parsed.message);
      return z.NEVER;
    })
    .exactOptional(),
  gateway: optional(address()),
  ipvsMethod: optional(method),
  priority: integer('a priority', -MAX_INT, MAX_INT).default(0),
  tunnel: record({
    type: oneOf(['ipip', 'gue', 'gre']),
    port: optional(port),
    checksum: optional(flag),
  })
    .refine(({ type, port: to }) => type !== 'gue' || to !== undefined, {
      path: ['port'],
      message: 'is missing; expected the UDP port of the gue tunnel',
    })
    .exactOptional(),
});

const syncSettings = z.object({
  interface: kernelName('a network interface', 15),
  syncId: integer('a sync id', 0, 255).default(0),
  group: optional(address()),
  port: optional(port),
  ttl: optional(integer('a multicast TTL', 1, 255)),
  maxlen: optional(integer('bytes', 1, 65_535)),
  role: oneOf(['both', 'master', 'backup']).default('both'),
});

/** Both are for people alone: what they write there is no reason not to obey. */
const drain = z.object({
  reason: optional(text),
  since: optional(text),
});

/** The protocols' fields whose zero the Go program read as "none". */
const PORTS = ['tcp', 'udp', 'sctp'];

/** `services/<service>/frontend` */
export const decodeFrontend: (json: string) => Decoded<Frontend> = decoder(frontend);

/** `services/<service>/backends/<backend>` */
export const decodeBackend: (json: string) => Decoded<Backend> = decoder(backend);

/** `routes/<route>` */
export const decodeRoute: (json: string) => Decoded<Route> = decoder(route, idleTunnelFields);

/** `sync` and `balancers/<balancer>/sync` */
export const decodeSync: (json: string) => Decoded<SyncSettings> = decoder(syncSettings);

/** `drain/hosts/<host>`, `drain/backends/<service>/<backend>` and `drain/balancers/<balancer>` */
export const decodeDrain: (json: string) => Decoded<Drain> = decoder(drain);

/** What is said of a tunnel and changes nothing. */
function idleTunnelFields({ ipvsMethod, tunnel }: Route): readonly string[] {
  if (tunnel === undefined) {
    return [];
  }
  if (ipvsMethod !== 'tunnel') {
    return [`tunnel is set where IPVSMethod is ${ipvsMethod ?? 'not set'}; expected tunnel: ignored`];
  }
  const { type, port: to, checksum } = tunnel;
  return [
    ...(to !== undefined && type !== 'gue' ? [`tunnel.port is ${to}; expected none with ${type}: ignored`] : []),
    ...(checksum === true && type === 'ipip' ? ['tunnel.checksum is true; expected none with ipip: ignored'] : []),
  ];
}

/** @param advise what else a person had better know of a good value */
function decoder<T>(
  schema: z.ZodType<T> & { readonly shape: z.ZodRawShape },
  advise: (value: T) => readonly string[] = () => [],
): (json: string) => Decoded<T> {
  const fold = folding(Object.keys(schema.shape));
  return (json) => {
    const read = readObject(json);
    if (read === undefined) {
      return { ok: false, messages: [`the value is ${quote(json)}; expected a JSON object`] };
    }
    const { known, unknown } = fold(Object.entries(read));
    const zeros = PORTS.filter((name) => known[name] === 0);
    const fields = zeros.length === 0 ? known : without(known, zeros);
    const parsed = schema.safeParse(fields);
    if (!parsed.success) {
      return { ok: false, messages: parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`) };
    }
    return {
      ok: true,
      value: parsed.data,
      unknown,
      warnings: [
        ...zeros.map((name) => `${name} is 0; expected a port, a whole number from 1 to 65535: taken as none`),
        ...advise(parsed.data),
      ],
    };
  };
}

function without(fields: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}

/** An empty value and `null` are an object without fields: all defaults. */
function readObject(json: string): Readonly<Record<string, unknown>> | undefined {
  if (json.trim() === '') {
    return {};
  }
  try {
    const value: unknown = JSON.parse(json);
    return value === null ? {} : isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
