/** What `iptables-save` prints, read so that the way of a packet through it can be followed. */
import { type Address, parseAddress, parsePrefix, prefixContains } from '@clusterf/model';

/** A packet, as far as rules ask. What is undefined is not known: a rule that asks for it may match. */
export interface Packet {
  readonly in?: string | undefined;
  readonly out?: string | undefined;
  readonly source?: string | undefined;
  readonly destination?: string | undefined;
  readonly protocol?: string | undefined;
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
  /** The destination is an address of this machine. */
  readonly local?: boolean | undefined;
  /** Of connection tracking. */
  readonly state?: string | undefined;
}

export interface Verdict {
  /** `unclear`: it depends on what is not known. */
  readonly verdict: 'accept' | 'drop' | 'translate' | 'unclear';
  /** The rule that decided, or the chain's policy. */
  readonly by: string;
}

interface Rule {
  readonly text: string;
  readonly words: readonly string[];
}

export interface Chain {
  /** `-` for chains that are called by others. */
  readonly policy: string;
  readonly rules: readonly Rule[];
}

/** By `table chain`. */
export type RuleSet = ReadonlyMap<string, Chain>;

type Match = 'yes' | 'no' | 'maybe';

const VERDICTS: Readonly<Record<string, Verdict['verdict']>> = {
  ACCEPT: 'accept',
  DROP: 'drop',
  REJECT: 'drop',
  QUEUE: 'unclear',
  NFQUEUE: 'unclear',
  DNAT: 'translate',
  REDIRECT: 'translate',
};

export function parseRuleSet(text: string): RuleSet {
  const chains = new Map<string, { policy: string; rules: Rule[] }>();
  let table = '';
  for (const line of text.split('\n')) {
    const [, mark = '', name = '', rest = ''] = /^(\*|:|-A )(\S+) ?(.*)$/.exec(line.trim()) ?? [];
    if (mark === '*') table = name;
    else if (mark === ':') chains.set(`${table} ${name}`, { policy: rest.split(' ')[0] ?? '-', rules: [] });
    else if (mark !== '')
      chains.get(`${table} ${name}`)?.rules.push({ text: `-A ${name} ${rest}`, words: wordsOf(rest) });
  }
  return chains;
}

/** Quoted ones are comments, mostly. */
function wordsOf(text: string): readonly string[] {
  return (text.match(/"(?:\\.|[^"\\])*"|\S+/g) ?? []).map((word) => word.replaceAll(/^"|"$/g, ''));
}

/** What becomes of a packet in a chain that the kernel calls by itself, such as `filter FORWARD`. */
export function follow(rules: RuleSet, chain: string, packet: Packet): Verdict {
  const walk = new Walk(rules, packet);
  const found = walk.through(chain, 0);
  if (found !== undefined) return walk.settled(found);
  const policy = rules.get(chain)?.policy ?? 'ACCEPT';
  const [table, name] = chain.split(' ');
  return walk.settled({ verdict: policy === 'DROP' ? 'drop' : 'accept', by: `policy ${policy} of ${name} (${table})` });
}

class Walk {
  readonly #rules: RuleSet;
  readonly #packet: Packet;
  /** What rules said that may have matched. */
  readonly #doubts: Verdict[] = [];

  constructor(rules: RuleSet, packet: Packet) {
    this.#rules = rules;
    this.#packet = packet;
  }

  /** @returns undefined if nothing decided */
  through(chain: string, depth: number): Verdict | undefined {
    const [table = ''] = chain.split(' ');
    for (const { text, words } of this.#rules.get(chain)?.rules ?? []) {
      const { match, target } = matches(words, this.#packet);
      if (match === 'no' || target === undefined) continue;
      if (target === 'RETURN') {
        if (match === 'yes') return undefined;
        continue;
      }
      const called = `${table} ${target}`;
      const verdict = Object.hasOwn(VERDICTS, target) ? VERDICTS[target] : undefined;
      const decided: Verdict | undefined =
        verdict === undefined
          ? depth < 16 && this.#rules.has(called)
            ? this.through(called, depth + 1)
            : undefined
          : { verdict, by: text };
      if (decided === undefined) continue;
      if (match === 'yes') return decided;
      this.#doubts.push(decided);
    }
    return undefined;
  }

  settled(found: Verdict): Verdict {
    const doubt = this.#doubts.find(({ verdict }) => verdict !== found.verdict);
    return doubt === undefined ? found : { verdict: 'unclear', by: doubt.by };
  }
}

/** Whether a rule matches, and what it then does. Options that are not known here may match. */
function matches(words: readonly string[], packet: Packet): { readonly match: Match; readonly target?: string } {
  let match: Match = 'yes';
  let negated = false;
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    const value = words[i + 1] ?? '';
    if (word === '-j' || word === '-g') return { match, target: value };
    if (word === '!') {
      negated = true;
      continue;
    }
    const ask = Object.hasOwn(ASKED, word) ? ASKED[word] : undefined;
    if (ask !== undefined || word === '-m' || word === '--comment') i += 1;
    if (word.startsWith('-') && word !== '-m' && word !== '--comment') {
      match = both(match, negate(ask?.(value, packet) ?? 'maybe', negated));
      negated = false;
    }
  }
  return { match };
}

function both(one: Match, other: Match): Match {
  if (one === 'no' || other === 'no') return 'no';
  return one === 'maybe' ? one : other;
}

function negate(match: Match, negated: boolean): Match {
  if (!negated || match === 'maybe') return match;
  return match === 'yes' ? 'no' : 'yes';
}

const ASKED: Readonly<Record<string, (value: string, packet: Packet) => Match>> = {
  '-s': (value, { source }) => within(value, source),
  '-d': (value, { destination }) => within(value, destination),
  '-i': (value, packet) => device(value, packet.in),
  '-o': (value, packet) => device(value, packet.out),
  '-p': (value, { protocol }) => equal(value, value === 'all' ? value : protocol),
  '--sport': (value, { sourcePort }) => port(value, sourcePort),
  '--dport': (value, { destinationPort }) => port(value, destinationPort),
  '--sports': (value, { sourcePort }) => port(value, sourcePort),
  '--dports': (value, { destinationPort }) => port(value, destinationPort),
  '--ctstate': (value, { state }) => listed(value, state),
  '--state': (value, { state }) => listed(value, state),
  '--dst-type': (value, { local }) => (value === 'LOCAL' ? known(local) : 'maybe'),
};

function within(text: string, address: string | undefined): Match {
  if (address === undefined) return text === '0.0.0.0/0' || text === '::/0' ? 'yes' : 'maybe';
  const parsed = parseAddress(address);
  const prefix = parsePrefix(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`);
  if (!parsed.ok || !prefix.ok) return 'maybe';
  return answer(prefixContains(prefix.value, parsed.value satisfies Address));
}

function device(pattern: string, name: string | undefined): Match {
  if (name === undefined) return 'maybe';
  return answer(pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern);
}

/** `80`, `8000:8999`, and lists of them. */
function port(text: string, number: number | undefined): Match {
  if (number === undefined) return 'maybe';
  return answer(
    text.split(',').some((each) => {
      const [from = '', to = from] = each.split(':');
      return number >= Number(from || 0) && number <= Number(to || 65_535);
    }),
  );
}

function listed(text: string, word: string | undefined): Match {
  return word === undefined ? 'maybe' : answer(text.split(',').includes(word));
}

function equal(text: string, word: string | undefined): Match {
  return word === undefined ? 'maybe' : answer(text === word);
}

function known(value: boolean | undefined): Match {
  return value === undefined ? 'maybe' : answer(value);
}

function answer(value: boolean): Match {
  return value ? 'yes' : 'no';
}
