import { checkName } from '@clusterf/model';

/** What a container's labels ask for, for one service: not yet where it is reached, nor whether it runs. */
export interface RequestedBackend {
  readonly service: string;
  readonly tcp?: number;
  readonly udp?: number;
  readonly sctp?: number;
  readonly weight: number;
  readonly network?: string;
}

export interface LabelProblem {
  readonly label: string;
  readonly message: string;
}

export interface Labelled {
  readonly backends: readonly RequestedBackend[];
  readonly problems: readonly LabelProblem[];
}

export type Labels = Readonly<Record<string, string>>;

/** The second is the original program's. Where both are set, the first wins. */
const PREFIXES = ['clusterf.', 'net.qmsk.clusterf.'] as const;
const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;
const FIELDS: readonly string[] = [...PROTOCOLS, 'weight', 'network'];

const DEFAULT_WEIGHT = 10;
const MAX_WEIGHT = 65_535;
const MAX_PORT = 65_535;

/** Whether the container is any business of ours; cheap, for it is asked of every event. */
export function isLabelled(labels: Labels): boolean {
  return PREFIXES.some((prefix) => labels[`${prefix}service`] !== undefined);
}

/**
 * Reads the labels of DESIGN §5. A bad label is a problem and no more: the service it concerns goes without that
 * port, or with the next weight in line, and every other label and service is as if it were not there.
 */
export function requestedBackends(labels: Labels): Labelled {
  const problems: LabelProblem[] = [...unknownLabels(labels)];
  const backends: RequestedBackend[] = [];
  const services = find(labels, 'service');
  for (const service of new Set(services?.value.split(/\s+/).filter((name) => name !== ''))) {
    const name = checkName(service);
    if (name.ok) {
      backends.push(requestedBackend(labels, service, problems));
    } else {
      problems.push({ label: services?.label ?? 'service', message: name.message });
    }
  }
  // A bad general label concerns every service but is one mistake.
  const distinct = new Map(problems.map((problem) => [`${problem.label} ${problem.message}`, problem]));
  return { backends, problems: [...distinct.values()] };
}

function requestedBackend(labels: Labels, service: string, problems: LabelProblem[]): RequestedBackend {
  const ports: Partial<Record<(typeof PROTOCOLS)[number], number>> = {};
  for (const protocol of PROTOCOLS) {
    // No fall-back from a bad port to the general one: traffic is not to go where nobody sent it.
    const [setting] = settings(labels, service, protocol);
    const port = setting && wholeNumber(setting, 'a port', 1, MAX_PORT, problems);
    if (port !== undefined) ports[protocol] = port;
  }
  let weight = DEFAULT_WEIGHT;
  for (const setting of settings(labels, service, 'weight')) {
    const labelled = wholeNumber(setting, 'a weight', 0, MAX_WEIGHT, problems);
    if (labelled === undefined) continue;
    weight = labelled;
    break;
  }
  const network = settings(labels, service, 'network')[0]?.value.trim();
  return { service, ...ports, weight, ...(network ? { network } : {}) };
}

interface Setting {
  readonly label: string;
  readonly value: string;
}

/** The service's own label, then the general one, as far as they are there. */
function settings(labels: Labels, service: string, field: string): readonly Setting[] {
  return [find(labels, `backend:${service}.${field}`), find(labels, `backend.${field}`)].filter(
    (setting) => setting !== undefined,
  );
}

function find(labels: Labels, name: string): Setting | undefined {
  for (const prefix of PREFIXES) {
    const value = labels[`${prefix}${name}`];
    if (value !== undefined) return { label: `${prefix}${name}`, value };
  }
  return undefined;
}

function wholeNumber(
  { label, value }: Setting,
  what: string,
  min: number,
  max: number,
  problems: LabelProblem[],
): number | undefined {
  const text = value.trim();
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  problems.push({
    label,
    message: `${JSON.stringify(value)} is not ${what}: expected a whole number from ${min} to ${max}`,
  });
  return undefined;
}

/** A label that begins like one of ours and is none: most likely a slip of the pen, and silence would hide it. */
function* unknownLabels(labels: Labels): Generator<LabelProblem> {
  const services = new Set(find(labels, 'service')?.value.split(/\s+/));
  for (const label of Object.keys(labels)) {
    const prefix = PREFIXES.find((candidate) => label.startsWith(candidate));
    if (prefix === undefined) continue;
    const name = label.slice(prefix.length);
    if (name === 'service') continue;
    // The service's name may hold dots and colons itself: it lies between the first colon and the last dot.
    const [, service, field = ''] = /^backend(?::(.*))?\.([^.]*)$/.exec(name) ?? [];
    if (!FIELDS.includes(field)) {
      yield {
        label,
        message: `unknown label; expected service or backend[:<service>].{${FIELDS.join(',')}} after ${prefix}`,
      };
    } else if (service !== undefined && !services.has(service)) {
      yield { label, message: `the service ${JSON.stringify(service)} is not named by the container's service label` };
    }
  }
}
