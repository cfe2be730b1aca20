import type { Family, Prefix } from '@clusterf/model';

/** A chain of ours, and the chain of others from which it is called. */
export interface Chain {
  readonly table: 'nat' | 'filter';
  readonly name: string;
  readonly calledFrom: string;
  /** As iptables-save writes them, without the `-A NAME `; none = there is to be no such chain. */
  readonly rules: readonly string[];
}

/** What of `iptables-save` matters here: the rules of each chain, by `table chain`. */
export type Saved = ReadonlyMap<string, readonly string[]>;

/** Docker's chain for rules of others: called before its own, and left alone by it. */
const DOCKER_USER = 'DOCKER-USER';

/**
 * The rules of one family. docs/hairpin.md shows them and says why each is so; a test holds that document to this.
 *
 * @param saved says whether Docker is there
 */
export function wantedChains(family: Family, prefixes: readonly Prefix[], saved: Saved): readonly Chain[] {
  const sources = prefixes.filter((prefix) => prefix.family === family);
  const networks = sources.filter(({ length }) => length > 0);
  const docker = saved.has(key('filter', DOCKER_USER));
  return [
    {
      table: 'nat',
      name: 'CLUSTERF-MASQUERADE',
      calledFrom: 'POSTROUTING',
      // Of connections that IPVS masquerades already, and that nobody else does: it does not touch the source.
      rules: sources.map(({ text, length }) =>
        words(length > 0 && `-s ${text}`, '-m ipvs --vdir ORIGINAL --vmethod MASQ -j MASQUERADE'),
      ),
    },
    {
      table: 'filter',
      name: 'CLUSTERF-REPLIES',
      calledFrom: DOCKER_USER,
      // Docker up to 27 drops what goes from one network to another before it looks whether it is an answer.
      rules: docker
        ? networks.flatMap((from) =>
            networks.map(
              (to) =>
                `-s ${from.text} -d ${to.text} -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT`,
            ),
          )
        : [],
    },
  ];
}

/** Reads what `iptables-save` prints. Lines that are no chain and no rule are left out. */
export function parseSaved(text: string): Saved {
  const chains = new Map<string, string[]>();
  let table = '';
  for (const line of text.split('\n')) {
    const [, mark = '', name = '', rest = ''] = /^(\*|:|-A )(\S+) ?(.*)$/.exec(line.trim()) ?? [];
    if (mark === '*') table = name;
    else if (mark === ':') chains.set(key(table, name), []);
    else if (mark !== '') chains.get(key(table, name))?.push(rest);
  }
  return chains;
}

/** Whether the chain is there as it is wanted, or absent as it is wanted, and called once. */
export function inPlace(chain: Chain, saved: Saved): boolean {
  const found = saved.get(key(chain.table, chain.name));
  if (chain.rules.length === 0) return found === undefined;
  return found?.join('\n') === chain.rules.join('\n') && calls(chain, saved) === 1;
}

/** What `iptables-restore --noflush` takes to bring the chains that are not in place to what is wanted; '' for nothing. */
export function restoreText(chains: readonly Chain[], saved: Saved): string {
  return chains
    .filter((chain) => !inPlace(chain, saved))
    .map((chain) => {
      const { table, name, calledFrom, rules } = chain;
      const count = calls(chain, saved);
      const wanted = rules.length > 0 ? 1 : 0;
      const surplus = Array.from({ length: Math.max(0, count - wanted) }, () => `-D ${calledFrom} -j ${name}`);
      return [
        `*${table}`,
        // Makes the chain, or empties it.
        `:${name} - [0:0]`,
        ...surplus,
        // First, so that nobody's exemption from masquerading comes before.
        ...(count < wanted ? [`-I ${calledFrom} 1 -j ${name}`] : []),
        ...rules.map((rule) => `-A ${name} ${rule}`),
        ...(wanted === 0 ? [`-X ${name}`] : []),
        'COMMIT\n',
      ].join('\n');
    })
    .join('');
}

/** The same chains, to be gone. */
export function withoutRules(chains: readonly Chain[]): readonly Chain[] {
  return chains.map((chain) => ({ ...chain, rules: [] }));
}

/** How often it is called. */
function calls({ table, name, calledFrom }: Chain, saved: Saved): number {
  return (saved.get(key(table, calledFrom)) ?? []).filter((rule) => rule === `-j ${name}`).length;
}

function key(table: string, chain: string): string {
  return `${table} ${chain}`;
}

function words(...parts: readonly (string | false)[]): string {
  return parts.filter((part) => part !== false).join(' ');
}
