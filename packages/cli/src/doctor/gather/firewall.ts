import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { errorCode, toError } from '@clusterf/daemon';
import { accept, type Family, type Result, reject } from '@clusterf/model';
import type { Firewall, Kernel } from '../facts.js';
import { parseRuleSet } from '../rule-set.js';

const TIMEOUT = 10_000;
const MOST_OUTPUT = 64 << 20;

/** The family as nft has it; those of both count for either. */
const NFT_FAMILY = { ipv4: 'ip', ipv6: 'ip6' } as const;

/** @param kernel so that no module is brought in by looking */
export async function gatherFirewall(
  kernel: Pick<Kernel, 'loaded' | 'modular'>,
): Promise<Readonly<Record<Family, Firewall>>> {
  const hasNft = !kernel.modular || kernel.loaded.has('nf_tables');
  const nft = hasNft ? await dropsOfNft() : [];
  const of = async (family: Family): Promise<Firewall> => ({
    rules: await rulesOf(family, hasNft),
    foreign: nft.filter(({ table }) => [NFT_FAMILY[family], 'inet'].includes(table.split(' ')[0] ?? '')),
  });
  return { ipv4: await of('ipv4'), ipv6: await of('ipv6') };
}

/** As iptables-save prints them; undefined if the kernel has no tables of rules. */
async function rulesOf(family: Family, hasNft: boolean): Promise<Firewall['rules']> {
  const six = family === 'ipv6' ? '6' : '';
  const legacy = await readFile(`/proc/net/ip${six}_tables_names`, 'utf8').catch(() => '');
  if (legacy.trim() === '' && !hasNft) return undefined;
  const saved = await run(`ip${six}tables-save`, []);
  return saved.ok ? accept(parseRuleSet(saved.value)) : saved;
}

/** Chains of nftables proper that drop by policy: iptables' own are read with its rules. */
async function dropsOfNft(): Promise<Firewall['foreign']> {
  const listed = await run('nft', ['-j', 'list', 'chains']);
  if (!listed.ok) return [];
  return dropsIn(listed.value);
}

interface NftChain {
  readonly family?: unknown;
  readonly table?: unknown;
  readonly name?: unknown;
  readonly hook?: unknown;
  readonly policy?: unknown;
}

/** @param json what `nft -j list chains` prints */
export function dropsIn(json: string): Firewall['foreign'] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the decoding edge
  const listed = JSON.parse(json) as { readonly nftables?: readonly { readonly chain?: NftChain }[] };
  return (listed.nftables ?? []).flatMap(({ chain: found }) => {
    if (found === undefined) return [];
    const { family, table, name, hook, policy } = found;
    const isTheirs = table === 'filter' && (family === 'ip' || family === 'ip6') && /^[A-Z]+$/.test(String(name));
    if (policy !== 'drop' || isTheirs || (hook !== 'input' && hook !== 'forward')) return [];
    return [{ table: `${String(family)} ${String(table)}`, chain: String(name), hook }];
  });
}

async function run(command: string, args: readonly string[]): Promise<Result<string>> {
  return await new Promise((resolve) => {
    execFile(command, args, { timeout: TIMEOUT, maxBuffer: MOST_OUTPUT }, (thrown, stdout, stderr) => {
      if (thrown === null) return resolve(accept(stdout));
      const error = toError(thrown);
      const reason = errorCode(error) === 'ENOENT' ? `there is no ${command} here` : stderr.trim() || error.message;
      return resolve(reject(reason.split('\n')[0] ?? reason));
    });
  });
}
