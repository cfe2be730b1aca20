import { LINUX_SCHEDULERS } from '@clusterf/ipvs-agent';
import { decodeFrontend, parseKey, quote } from '@clusterf/model';
import { CODECS } from './codecs.js';
import { TOP_LEVEL } from './flatten.js';

/** Something wrong with an entry. */
export interface Finding {
  /** `error`: it is not used, or not as it says. `warning`: it is used, and somebody had better look at it. */
  readonly level: 'error' | 'warning';
  readonly path: string;
  /** Names the value and what was expected. */
  readonly message: string;
}

/** An entry looked at by itself. */
export interface Checked {
  /** As it is to be written: canonical, where it can be read. */
  readonly text: string;
  readonly findings: readonly Finding[];
}

/**
 * Looks at one entry by itself.
 *
 * @param strict somebody is writing it right now, so that what agents would only ignore is a mistake too. In a tree it may
 *   be there for newer agents, and what they write of themselves is none of an operator's to get wrong
 */
export function checkEntry(path: string, text: string, { strict }: { readonly strict: boolean }): Checked {
  const key = parseKey(path);
  const found =
    (level: Finding['level']) =>
    (message: string): Finding => ({ level, path, message });
  const read = CODECS[key.kind];
  if (read === undefined) return { text, findings: whyUnread(path, strict).map(found('error')) };
  const canonical = read(text);
  if (!canonical.ok) return { text, findings: canonical.messages.map((message) => found('error')(message.trim())) };
  const unknown = canonical.unknown.map(
    (name) => `unknown field ${JSON.stringify(name)}: agents of this version ignore it`,
  );
  const notes = [...canonical.warnings, ...unknown].map(found(strict ? 'error' : 'warning'));
  const doubts = key.kind === 'frontend' ? doubtsOf(text).map(found('warning')) : [];
  return { text: canonical.text, findings: [...notes, ...doubts] };
}

/** What any balancer would ask of its kernel, and hardly any kernel has. */
function doubtsOf(text: string): readonly string[] {
  const decoded = decodeFrontend(text);
  const { scheduler } = decoded.ok ? decoded.value : {};
  if (scheduler === undefined || LINUX_SCHEDULERS.includes(scheduler)) return [];
  return [
    `scheduler ${quote(scheduler)} is none that Linux has; expected one of ${LINUX_SCHEDULERS.join(', ')}: where a ` +
      "balancer's kernel has no such module it refuses the virtual services",
  ];
}

/** Of a key that configures nothing. */
function whyUnread(path: string, strict: boolean): readonly string[] {
  const key = parseKey(path);
  if (key.kind !== 'unknown')
    return strict
      ? ['is what an agent says of itself and nobody else writes; clusterf get --without-leased leaves it out']
      : [];
  return [key.problem ?? `not a key that is read; expected one below ${TOP_LEVEL.join(', ')}`];
}
