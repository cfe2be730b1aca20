/** A balancer's counters out of its agent's `/metrics`, line by line: of a large table that is a hundred megabytes. */
import { type DestinationLook, type Look, NO_RATES, type Rates, type ServiceLook } from './look.js';

/** The part of a metric's name that is the same for services and destinations, and what it is here. */
const RATES: Readonly<Record<string, keyof Rates>> = {
  connections_per_second: 'connections',
  incoming_packets_per_second: 'packetsIn',
  outgoing_packets_per_second: 'packetsOut',
  incoming_bytes_per_second: 'bytesIn',
  outgoing_bytes_per_second: 'bytesOut',
};

const FIGURES: Readonly<Record<string, 'weight' | 'active' | 'inactive'>> = {
  weight: 'weight',
  active_connections: 'active',
  inactive_connections: 'inactive',
};

type Growing<T extends ServiceLook> = { -readonly [K in keyof Omit<T, 'rates'>]: T[K] } & {
  readonly rates: Record<keyof Rates, number>;
};

const SAMPLE = /^clusterf_ipvs_(service|destination)_([a-z_]+)\{(.*)\} (\S+)$/;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;

/** Takes the lines of one scrape, in any order. What is no counter of ours is passed over. */
export class Exposition {
  /** By their labels, as they stand between the braces: the same for all metrics of a thing. */
  readonly #services = new Map<string, Growing<ServiceLook>>();
  readonly #destinations = new Map<string, Growing<DestinationLook>>();
  #countersUp: boolean | undefined;

  line(text: string): void {
    if (text.startsWith('clusterf_ipvs_counters_up ')) this.#countersUp = text.endsWith(' 1');
    const [, kind, metric = '', labels = '', value = ''] = SAMPLE.exec(text) ?? [];
    const rate = RATES[metric];
    const figure = FIGURES[metric];
    if (kind === 'service' && rate !== undefined) this.#service(labels).rates[rate] = Number(value);
    if (kind === 'destination' && rate !== undefined) this.#destination(labels).rates[rate] = Number(value);
    if (kind === 'destination' && figure !== undefined) this.#destination(labels)[figure] = Number(value);
  }

  /** Whether the agent could read its kernel's counters; undefined if nothing was said of that: no agent of ours. */
  get countersUp(): boolean | undefined {
    return this.#countersUp;
  }

  get look(): Look {
    return { services: [...this.#services.values()], destinations: [...this.#destinations.values()] };
  }

  #service(labels: string): Growing<ServiceLook> {
    const known = this.#services.get(labels);
    if (known !== undefined) return known;
    const { service = '', virtual_service: virtualService = '' } = labelsOf(labels);
    const made = { service, virtualService, rates: { ...NO_RATES } };
    this.#services.set(labels, made);
    return made;
  }

  #destination(labels: string): Growing<DestinationLook> {
    const known = this.#destinations.get(labels);
    if (known !== undefined) return known;
    const { service = '', virtual_service: virtualService = '', backend = '', destination = '' } = labelsOf(labels);
    const named = { service, virtualService, backend, destination };
    const made = { ...named, rates: { ...NO_RATES }, weight: 0, active: 0, inactive: 0 };
    this.#destinations.set(labels, made);
    return made;
  }
}

/** Values with their escapes resolved (Prometheus, text format 0.0.4). */
function labelsOf(text: string): Readonly<Record<string, string>> {
  const pairs = [...text.matchAll(LABEL)].map(([, name = '', value = '']) => [
    name,
    value.replaceAll(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character)),
  ]);
  return Object.fromEntries(pairs);
}
