/**
 * The tree of the Go program, out of etcd's v2 store: the answer to GET /v2/keys/clusterf?recursive=true, or keys and
 * values as `etcdctl ls -r` and `etcdctl get` print them.
 */
import { accept, ConfigTree, parseKey, quote, type Result, reject } from '@clusterf/model';
import * as z from 'zod';
import type { Remark } from './remarks.js';
import type { Imported } from './rules.js';

export interface Etcd2Options {
  /** As places name it. */
  readonly file: string;
  /** Where the tree is in the dump. */
  readonly prefix: string;
  /** Take also what docker-agents registered. */
  readonly registered: boolean;
}

/** A key with its value; `leased`: it had a time to live. */
interface DumpedKey {
  readonly key: string;
  readonly value: string;
  readonly leased: boolean;
}

interface Node {
  readonly key: string;
  readonly dir?: boolean | undefined;
  readonly value?: string | undefined;
  readonly ttl?: number | undefined;
  readonly nodes?: readonly Node[] | undefined;
}

const Node: z.ZodType<Node> = z.object({
  key: z.string(),
  dir: z.boolean().optional(),
  value: z.string().optional(),
  ttl: z.number().optional(),
  get nodes() {
    return z.array(Node).optional();
  },
});

/** The Go program's docker-agent names a backend by its container's id. */
const CONTAINER_ID = /^[0-9a-f]{64}$/;

const REGISTERED =
  'a docker-agent registered it, as today’s does again: here it would stay for ever (--registered takes it nevertheless)';

export function importEtcd2(text: string, { file, prefix, registered }: Etcd2Options): Imported {
  const remarks: Remark[] = [];
  const keys = readDump(text);
  if (!keys.ok)
    return { entries: new Map(), remarks: [{ kind: 'lost', at: file, what: 'the dump', why: keys.message }] };
  const root = `/${prefix.replaceAll(/^\/+|\/+$/g, '')}/`.replace('//', '/');
  const left = (key: string, why: string) => void remarks.push({ kind: 'left', at: key, what: nameOf(key), why });
  const found = new Map<string, string>();
  for (const { key, value, leased } of keys.value) {
    const path = key.slice(root.length);
    const parsed = parseKey(path);
    if (!key.startsWith(root)) left(key, `it is not below ${root}, where the tree is (--from-prefix)`);
    else if (parsed.kind === 'unknown') left(key, parsed.problem ?? 'the tree has no such key');
    else if (!registered && (leased || (parsed.kind === 'backend' && CONTAINER_ID.test(parsed.backend))))
      left(key, REGISTERED);
    else found.set(path, value.trim() === '' ? '{}' : value);
  }
  const { problems, rejected } = judge(found, file);
  for (const { key, message } of problems)
    remarks.push({ kind: rejected.has(key) ? 'lost' : 'left', at: root + key, what: nameOf(root + key), why: message });
  return { entries: new Map([...found].filter(([path]) => !rejected.has(path))), remarks };
}

/** What an agent would make of these entries. */
function judge(entries: ReadonlyMap<string, string>, source: string) {
  const tree = new ConfigTree([source]);
  tree.apply(0, { type: 'snapshot', entries });
  return { problems: tree.problems, rejected: new Set(tree.rejected.map(({ key }) => key)) };
}

/** What of a key says its kind, so that a thousand backends are one line. */
function nameOf(key: string): string {
  const { kind } = parseKey(key.replace(/^.*\/(?=(services|routes)\/)/, ''));
  return kind === 'unknown' ? key : kind;
}

function readDump(text: string): Result<readonly DumpedKey[]> {
  return text.trimStart().startsWith('{') ? readJson(text) : readLines(text);
}

function readJson(text: string): Result<readonly DumpedKey[]> {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return reject('it begins as JSON and is none');
  }
  const parsed = z.object({ node: Node }).safeParse(answer);
  return parsed.success
    ? accept([...leaves(parsed.data.node)])
    : reject('expected the answer to GET /v2/keys/clusterf?recursive=true, which has a "node" with its "nodes"');
}

function* leaves({ key, dir, value, ttl, nodes }: Node, leased = false): Generator<DumpedKey> {
  const isLeased = leased || ttl !== undefined;
  for (const node of nodes ?? []) yield* leaves(node, isLeased);
  if (dir !== true && value !== undefined) yield { key, value, leased: isLeased };
}

/** A line that begins with a slash is a key; what follows it, on its line or on the next ones, is the value. */
function readLines(text: string): Result<readonly DumpedKey[]> {
  const keys: { key: string; value: string; leased: boolean }[] = [];
  for (const line of text.split('\n')) {
    const [, key, value = ''] = /^(\/.*?)(?:\s+([{"].*)|\s*)$/.exec(line) ?? [];
    const last = keys.at(-1);
    if (key !== undefined) keys.push({ key, value, leased: false });
    else if (last !== undefined) last.value += `${line}\n`;
    else if (line.trim() !== '')
      return reject(`it begins with ${quote(line)}; expected a key such as /clusterf/services/web/frontend`);
  }
  // Directories end with a slash (ls -p), or have keys below them and no value.
  const isDirectory = ({ key, value }: DumpedKey) =>
    key.endsWith('/') || (value.trim() === '' && keys.some((other) => other.key.startsWith(`${key}/`)));
  return accept(keys.filter((each) => !isDirectory(each)).map((each) => ({ ...each, value: each.value.trimEnd() })));
}
