/**
 * Lets containers reach the services that run beside them: connections from their networks that IPVS masquerades get
 * this machine's address as their source, so that the answers come back here. docs/hairpin.md has the whole story.
 *
 * INVARIANTS
 * - Only chains of ours are made, emptied and deleted, and only their calls are added to chains of others.
 * - Where everything is in place nothing is written.
 * - Without networks nothing is looked at either.
 */
import type { Logger } from '@clusterf/daemon';
import { accept, type Family, parsePrefix, type Prefix, type Problem, type Result } from '@clusterf/model';
import type { HairpinPorts } from './hairpin-ports.js';
import type { Iptables } from './iptables.js';
import { type Chain, inPlace, parseSaved, restoreText, type Saved, wantedChains, withoutRules } from './rules.js';

export interface MasqueradeParts {
  /** The networks whose connections are masqueraded: `--masquerade`. */
  readonly prefixes: readonly Prefix[];
  readonly iptables: Readonly<Record<Family, Iptables>>;
  readonly hairpin: Pick<HairpinPorts, 'keep' | 'rehearse' | 'remove' | 'ports' | 'problems'>;
  readonly log: Logger;
}

/** What `/status` shows of it. */
export interface MasqueradeStatus {
  readonly networks: readonly string[];
  /** Whether its rules are in place, for each family that has networks. */
  readonly families: Readonly<Partial<Record<Family, boolean>>>;
  /** Ports of bridges that were set to send back to the container a frame came from. */
  readonly hairpinPorts: readonly string[];
  /** How often rules were found changed by somebody else, since the start. */
  readonly drift: number;
}

const FAMILIES = ['ipv4', 'ipv6'] as const satisfies readonly Family[];

/** What masquerading needs of the kernel: connections of IPVS are otherwise hidden from NAT. For `wantedSysctls`. */
export const MASQUERADE_SYSCTLS = ['net.ipv4.vs.conntrack=1'] as const;

/** For the option `--masquerade`: what was expected instead, or undefined if it will do. */
export function checkMasquerade(text: string): string | undefined {
  const parsed = parsePrefix(text);
  return parsed.ok ? undefined : `the prefix of a network of containers: ${parsed.message}`;
}

/** Each network once. @param texts those that `checkMasquerade` takes; others are left out */
export function masqueradedPrefixes(texts: readonly string[]): readonly Prefix[] {
  const prefixes = new Map<string, Prefix>();
  for (const text of texts) {
    const parsed = parsePrefix(text);
    if (parsed.ok) prefixes.set(parsed.value.text, parsed.value);
  }
  return [...prefixes.values()];
}

/** The rules and the ports of bridges, kept as wanted. What goes wrong is a problem, never thrown. Calls must not overlap. */
export class Masquerade {
  readonly #parts: MasqueradeParts;
  /** Families whose rules were seen as wanted: when they are not any more, somebody changed them. */
  readonly #held = new Set<Family>();
  readonly #problems = new Map<Family, Problem>();
  #drift = 0;

  constructor(parts: MasqueradeParts) {
    this.#parts = parts;
  }

  /** As of the last look. */
  get status(): MasqueradeStatus {
    const { prefixes, hairpin } = this.#parts;
    const wanted = FAMILIES.filter((family) => this.#isWanted(family));
    return {
      networks: prefixes.map(({ text }) => text),
      families: Object.fromEntries(wanted.map((family) => [family, this.#held.has(family)])),
      hairpinPorts: hairpin.ports,
      drift: this.#drift,
    };
  }

  get problems(): readonly Problem[] {
    return [...this.#problems.values(), ...this.#parts.hairpin.problems];
  }

  /** Looks at everything and puts right what is not as wanted; at the start and with every resync. */
  async reconcile(): Promise<void> {
    if (!this.#on) return;
    for (const family of FAMILIES) await this.#keep(family);
    await this.#parts.hairpin.keep({ thorough: true });
  }

  /** There are new destinations, which may be containers that have come since the last look. */
  async attend(): Promise<void> {
    if (this.#on) await this.#parts.hairpin.keep({ thorough: false });
  }

  /** What `reconcile` would do, a line each. Runs nothing that writes. */
  async rehearse(): Promise<readonly string[]> {
    if (!this.#on) return [];
    const lines: string[] = [];
    for (const family of FAMILIES) {
      const found = await this.#look(family);
      if (!found.ok) {
        this.#failed(family, found.message);
        continue;
      }
      for (const chain of found.value.chains.filter((one) => !inPlace(one, found.value.saved)))
        lines.push(...printed(family, chain));
    }
    return [...lines, ...(await this.#parts.hairpin.rehearse()).map((port) => `set hairpin mode: ${port}`)];
  }

  /** Takes away all that is ours: `--exit-unmasquerade`. The kernel setting stays, like all others. */
  async remove(): Promise<void> {
    if (!this.#on) return;
    const { iptables, log, hairpin } = this.#parts;
    for (const family of FAMILIES) {
      const found = await this.#look(family);
      const text = found.ok ? restoreText(withoutRules(found.value.chains), found.value.saved) : '';
      const removed = text === '' ? found : await iptables[family].restore(text);
      if (removed.ok) this.#held.delete(family);
      if (text !== '' && removed.ok) log.info('masquerading rules removed', { family });
      // A family that nobody asked for has nothing to be removed.
      if (!removed.ok && this.#isWanted(family))
        log.error('masquerading rules not removed', { family, reason: removed.message });
    }
    await hairpin.remove();
  }

  get #on(): boolean {
    return this.#parts.prefixes.length > 0;
  }

  #isWanted(family: Family): boolean {
    return this.#parts.prefixes.some((prefix) => prefix.family === family);
  }

  async #keep(family: Family): Promise<void> {
    const { iptables, log } = this.#parts;
    const found = await this.#look(family);
    if (!found.ok) return this.#failed(family, found.message);
    const text = restoreText(found.value.chains, found.value.saved);
    if (text !== '') {
      const known = this.#held.delete(family);
      if (known) this.#drift += 1;
      const done = await iptables[family].restore(text);
      if (!done.ok)
        return this.#failed(family, `${done.message}; it needs the kernel modules xt_ipvs and xt_MASQUERADE`);
      const now = await this.#look(family);
      if (!now.ok) return this.#failed(family, now.message);
      const other = now.value.chains.find((chain) => !inPlace(chain, now.value.saved));
      if (other !== undefined)
        return this.#failed(
          family,
          `the rules of ${other.name} are not what was written, read back: ${describe(other, now.value.saved)}`,
        );
      const fields = {
        family,
        rules: now.value.chains.flatMap(({ name, rules }) => rules.map((rule) => `${name} ${rule}`)),
      };
      if (known) log.warn('somebody changed the masquerading rules: put right', fields);
      else log.info('masquerading rules set', fields);
    }
    this.#problems.delete(family);
    if (this.#isWanted(family)) this.#held.add(family);
  }

  async #look(family: Family): Promise<Result<{ readonly saved: Saved; readonly chains: readonly Chain[] }>> {
    const text = await this.#parts.iptables[family].save();
    if (!text.ok) return text;
    const saved = parseSaved(text.value);
    return accept({ saved, chains: wantedChains(family, this.#parts.prefixes, saved) });
  }

  /** Of a family that nobody asked for it is no matter. */
  #failed(family: Family, message: string): void {
    this.#held.delete(family);
    if (this.#isWanted(family)) this.#problems.set(family, { source: 'kernel', key: `masquerade ${family}`, message });
  }
}

function printed(family: Family, { table, name, calledFrom, rules }: Chain): string[] {
  const program = family === 'ipv4' ? 'iptables' : 'ip6tables';
  if (rules.length === 0) return [`remove rules: ${program} -t ${table} ${name}`];
  return [`-j ${name}`, ...rules].map(
    (rule, i) => `set rule: ${program} -t ${table} -A ${i === 0 ? calledFrom : name} ${rule}`,
  );
}

function describe({ table, name }: Chain, saved: Saved): string {
  return JSON.stringify(saved.get(`${table} ${name}`) ?? null);
}
