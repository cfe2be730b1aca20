import { decodeFrontend, type Frontend, quote } from '@clusterf/model';
import type { Fact, LabelProblem } from './findings.js';
import { type Labels, type Setting, settings } from './label-settings.js';

/** What a container's labels ask to publish for one service: not yet whether that is allowed here. */
export interface RequestedFrontend {
  readonly frontend: Frontend;
  /** Which label each field comes from. */
  readonly facts: readonly Fact[];
}

const NUMBERS: readonly string[] = ['tcp', 'udp', 'sctp', 'fwmark'];

/** The fields of a frontend in the tree, by the same names. */
export const FRONTEND_FIELDS: readonly string[] = [
  'ipv4',
  'ipv6',
  ...NUMBERS,
  'scheduler',
  'schedulerFlags',
  'persistence',
  'onePacket',
  'method',
];

/**
 * Each label is read as the tree reads the field, so that both take the same and say the same. A bad one is left out:
 * what is left can only publish less, never something else.
 *
 * @returns undefined if no label asks for a frontend, or those that do publish nothing
 */
export function requestedFrontend(
  labels: Labels,
  service: string,
  problems: LabelProblem[],
): RequestedFrontend | undefined {
  let frontend: Frontend = {};
  let first: Setting | undefined;
  const facts: Fact[] = [];
  for (const field of FRONTEND_FIELDS) {
    // No fall-back from a bad label to the general one, as with a backend's port.
    const [setting] = settings(labels, 'frontend', service, field);
    if (setting === undefined) continue;
    first ??= setting;
    const value = decodeField(field, setting, problems);
    if (Object.keys(value).length === 0) continue;
    frontend = { ...frontend, ...value };
    facts.push({ what: `frontend ${field}`, value: setting.value.trim(), from: setting.label });
  }
  if (first === undefined) return undefined;
  if (publishes(frontend)) return { frontend, facts };
  const expected = 'expected an address (ipv4, ipv6) with a port (tcp, udp, sctp), or fwmark';
  problems.push({ label: first.label, message: `${service}: the frontend publishes nothing: ${expected}` });
  return undefined;
}

function decodeField(field: string, { label, value }: Setting, problems: LabelProblem[]): Frontend {
  const written = writtenAsJson(field, value.trim());
  if (written === undefined) {
    const expected = 'expected seconds such as 300, or with the leading bits of client addresses that count, 300/24';
    problems.push({ label, message: `${quote(value)} is not a persistence: ${expected}` });
    return {};
  }
  const decoded = decodeFrontend(JSON.stringify({ [field]: written }));
  const messages = decoded.ok ? decoded.warnings : decoded.messages;
  problems.push(...messages.map((message) => ({ label, message })));
  return decoded.ok ? decoded.value : {};
}

/** What stands in the tree where the label says this; what is no such value is left for the tree's schema to refuse. */
function writtenAsJson(field: string, text: string): unknown {
  if (NUMBERS.includes(field) && /^\d+$/.test(text)) return Number(text);
  if (field === 'onePacket' && (text === 'true' || text === 'false')) return text === 'true';
  if (field === 'persistence' && text !== '') {
    const [, timeout, netmask] = /^(\d+)(?:\/(\d+))?$/.exec(text) ?? [];
    if (timeout === undefined) return undefined;
    return { timeout: Number(timeout), ...(netmask === undefined ? {} : { netmask: Number(netmask) }) };
  }
  return text;
}

function publishes({ ipv4, ipv6, tcp, udp, sctp, fwmark }: Frontend): boolean {
  return fwmark !== undefined || ((ipv4 ?? ipv6) !== undefined && (tcp ?? udp ?? sctp) !== undefined);
}
