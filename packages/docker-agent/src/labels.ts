/** All that a container's labels ask for, service by service (DESIGN: labels). */
import { checkName, quote } from '@clusterf/model';
import { BACKEND_FIELDS, type RequestedBackend, requestedBackend } from './backend-labels.js';
import type { LabelProblem } from './findings.js';
import { FRONTEND_FIELDS, type RequestedFrontend, requestedFrontend } from './frontend-labels.js';
import { find, type Labels, PREFIXES } from './label-settings.js';

export interface RequestedService {
  readonly service: string;
  readonly backend: RequestedBackend;
  /** Absent = no label asks for one that could be read. */
  readonly frontend?: RequestedFrontend;
}

export interface Requested {
  readonly services: readonly RequestedService[];
  readonly problems: readonly LabelProblem[];
}

const FIELDS: Readonly<Record<string, readonly string[]>> = { backend: BACKEND_FIELDS, frontend: FRONTEND_FIELDS };

/** Characters: a service's name has 255 bytes at most. */
const LONGEST_LABEL = 320;

/** Whether the container is any business of ours; cheap, for it is asked of every event. */
export function isLabelled(labels: Labels): boolean {
  return PREFIXES.some((prefix) => labels[`${prefix}service`] !== undefined);
}

/** A container's labels never change, and are asked about at every event of every other container. */
const read = new WeakMap<Labels, Requested>();

/**
 * Reads the labels. A bad one is a problem and no more: every other label and service is as if it were not there.
 */
export function requestedServices(labels: Labels): Requested {
  const before = read.get(labels);
  if (before !== undefined) return before;
  const requested = readLabels(labels);
  read.set(labels, requested);
  return requested;
}

function readLabels(labels: Labels): Requested {
  const problems: LabelProblem[] = [...unknownLabels(labels)];
  const services: RequestedService[] = [];
  const named = find(labels, 'service');
  for (const service of new Set(named?.value.split(/\s+/).filter((name) => name !== ''))) {
    const name = checkName(service);
    if (!name.ok) {
      problems.push({ label: named?.label ?? 'service', message: name.message });
      continue;
    }
    const frontend = requestedFrontend(labels, service, problems);
    services.push({
      service,
      backend: requestedBackend(labels, service, problems),
      ...(frontend === undefined ? {} : { frontend }),
    });
  }
  // A bad general label concerns every service but is one mistake.
  const distinct = new Map(
    problems.map(({ label, message }) => [`${label} ${message}`, { label: shortened(label), message }]),
  );
  return { services, problems: [...distinct.values()] };
}

/** Nothing keeps anybody from a label of a megabyte; those that are ours are not shortened. */
function shortened(label: string): string {
  return label.length > LONGEST_LABEL ? `${label.slice(0, LONGEST_LABEL)}…` : label;
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
    const [, side = '', service, field = ''] = /^(backend|frontend)(?::(.*))?\.([^.]*)$/s.exec(name) ?? [];
    if (FIELDS[side]?.includes(field) !== true) {
      yield { label, message: `unknown label; ${expectedAfter(prefix, side)}` };
    } else if (service !== undefined && !services.has(service)) {
      yield { label, message: `the service ${quote(service)} is not named by the container's service label` };
    }
  }
}

function expectedAfter(prefix: string, side: string): string {
  const sides = FIELDS[side] === undefined ? Object.keys(FIELDS) : [side];
  const fields = sides.map((each) => `${each}[:<service>].{${FIELDS[each]?.join(',')}}`);
  return `expected ${['service', ...fields].join(' or ')} after ${prefix}`;
}
