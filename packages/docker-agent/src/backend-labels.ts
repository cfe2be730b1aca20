import { type Protocol, quote } from '@clusterf/model';
import type { LabelProblem, Sourced } from './findings.js';
import { type Labels, type Setting, settings } from './label-settings.js';

export type RequestedPorts = Readonly<Partial<Record<Protocol, Sourced<number>>>>;

/** What a container's labels ask for, for one service: not yet where it is reached, nor whether it runs. */
export interface RequestedBackend {
  readonly service: string;
  /** The container's. */
  readonly ports: RequestedPorts;
  readonly weight: Sourced<number>;
  readonly network?: Sourced<string>;
  /** Whether the host's address and the published port are meant; undefined = a label that says neither yes nor no. */
  readonly publish: Sourced<boolean | undefined>;
}

export const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp'];
export const BACKEND_FIELDS: readonly string[] = [...PROTOCOLS, 'weight', 'network', 'publish'];

const DEFAULT_WEIGHT = 10;
const MAX_WEIGHT = 65_535;
const MAX_PORT = 65_535;

/** A bad label is a problem and no more: the service goes without that port, or with the next weight in line. */
export function requestedBackend(labels: Labels, service: string, problems: LabelProblem[]): RequestedBackend {
  const ports: Partial<Record<Protocol, Sourced<number>>> = {};
  for (const protocol of PROTOCOLS) {
    // No fall-back from a bad port to the general one: traffic is not to go where nobody sent it.
    const [setting] = settings(labels, 'backend', service, protocol);
    const port = setting && wholeNumber(setting, 'a port', 1, MAX_PORT, problems);
    if (port !== undefined) ports[protocol] = port;
  }
  const network = requestedNetwork(labels, service);
  return {
    service,
    ports,
    weight: requestedWeight(labels, service, problems),
    ...(network === undefined ? {} : { network }),
    publish: requestedPublish(labels, service, problems),
  };
}

function requestedWeight(labels: Labels, service: string, problems: LabelProblem[]): Sourced<number> {
  for (const setting of settings(labels, 'backend', service, 'weight')) {
    const weight = wholeNumber(setting, 'a weight', 0, MAX_WEIGHT, problems);
    if (weight !== undefined) return weight;
  }
  return { value: DEFAULT_WEIGHT, from: 'default' };
}

/** An empty one is none, whatever the general label says. */
function requestedNetwork(labels: Labels, service: string): Sourced<string> | undefined {
  const [setting] = settings(labels, 'backend', service, 'network');
  const value = setting?.value.trim() ?? '';
  return setting === undefined || value === '' ? undefined : { value, from: setting.label };
}

function requestedPublish(labels: Labels, service: string, problems: LabelProblem[]): Sourced<boolean | undefined> {
  const [setting] = settings(labels, 'backend', service, 'publish');
  if (setting === undefined) return { value: false, from: 'default' };
  const { label, value } = setting;
  const text = value.trim();
  if (text === 'true' || text === 'false') return { value: text === 'true', from: label };
  problems.push({ label, message: `${quote(value)} is neither yes nor no: expected true or false` });
  return { value: undefined, from: label };
}

function wholeNumber(
  { label, value }: Setting,
  what: string,
  min: number,
  max: number,
  problems: LabelProblem[],
): Sourced<number> | undefined {
  const text = value.trim();
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return { value: number, from: label };
  problems.push({
    label,
    message: `${quote(value)} is not ${what}: expected a whole number from ${min} to ${max}`,
  });
  return undefined;
}
