/**
 * What agents say of themselves in the tree (packages/docker-agent/src/host-status.ts,
 * packages/ipvs-agent/src/balancer-status.ts). They may be older or newer than this command: what of it can be read, is.
 */

/** Undefined = not said. */
export interface AgentEntry {
  readonly version: string | undefined;
  readonly machine: string | undefined;
  /** ISO 8601. */
  readonly started: string | undefined;
  /** It has ended in good order then, and its entry will go with its lease. */
  readonly stopped: string | undefined;
  readonly problems: number | undefined;
}

export interface HostEntry extends AgentEntry {
  readonly containers: number | undefined;
  readonly registrations: number | undefined;
}

export interface BalancerEntry extends AgentEntry {
  readonly ready: boolean | undefined;
  readonly virtualServices: number | undefined;
  readonly destinations: number | undefined;
  readonly quarantined: number | undefined;
  readonly brake: boolean | undefined;
  readonly held: number | undefined;
  readonly draining: number | undefined;
  readonly retrying: number | undefined;
  readonly foreign: number | undefined;
  /** Digests of the tree that it has read, and of the table that it wants the kernel to have. */
  readonly tree: string | undefined;
  readonly table: string | undefined;
  readonly onlyHost: string | undefined;
  /** Where it has its virtual addresses; undefined also if others give it those. */
  readonly vipInterface: string | undefined;
  /** Virtual services that its kernel refuses something of, the first few. */
  readonly refused: readonly string[];
}

export function readHostEntry(text: string): HostEntry {
  const fields = fieldsOf(text);
  return { ...agentEntry(fields), ...counts(fields, ['containers', 'registrations']) };
}

export function readBalancerEntry(text: string): BalancerEntry {
  const fields = fieldsOf(text);
  return {
    ...agentEntry(fields),
    ...counts(fields, ['virtualServices', 'destinations', 'quarantined', 'held', 'draining', 'retrying', 'foreign']),
    ready: flag(fields, 'ready'),
    brake: flag(fields, 'brake'),
    tree: word(fields, 'tree'),
    table: word(fields, 'table'),
    onlyHost: word(fields, 'onlyHost'),
    vipInterface: word(fields, 'vipInterface'),
    refused: words(fields, 'refused'),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(text: string): Fields {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}

function agentEntry(fields: Fields): AgentEntry {
  return {
    version: word(fields, 'version'),
    machine: word(fields, 'machine'),
    started: word(fields, 'started'),
    stopped: word(fields, 'stopped'),
    ...counts(fields, ['problems']),
  };
}

function word(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' ? value : undefined;
}

function words(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function flag(fields: Fields, name: string): boolean | undefined {
  const value = fields[name];
  return typeof value === 'boolean' ? value : undefined;
}

function counts<const N extends string>(fields: Fields, names: readonly N[]): Readonly<Record<N, number | undefined>> {
  const pairs = names.map((name) => [name, typeof fields[name] === 'number' ? fields[name] : undefined]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of these very names
  return Object.fromEntries(pairs) as Record<N, number | undefined>;
}
