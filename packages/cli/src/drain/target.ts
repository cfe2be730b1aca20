/** What an operator means by `host docker1`, `web/4c1f` or just `docker1`. Pure. */
import { FailureError, UsageError } from '@clusterf/daemon';
import { backendDrainKey, balancerDrainKey, checkName, hostDrainKey, quote } from '@clusterf/model';
import { type Kind, KINDS, type Known, type Target } from './known.js';

export interface Wish {
  /** `drain` or `undrain`, for messages. */
  readonly verb: string;
  /** Also what the tree does not know: `--force`. */
  readonly force: boolean;
}

const WHAT: Readonly<Record<Kind, string>> = {
  host: 'every backend on it takes no new connections',
  backend: 'it takes no new connections',
  balancer: 'its virtual addresses are taken away, so that routers send it no more',
};
/** Fewer characters than this are a typo rather than the beginning of an id. */
const SHORTEST = 4;
const LISTED = 5;

export function describe({ kind, name }: Target): string {
  return `${kind} ${name}`;
}

/** Where the tree says that it is drained. */
export function drainKey({ kind, name }: Target): string {
  if (kind === 'host') return hostDrainKey(name);
  if (kind === 'balancer') return balancerDrainKey(name);
  const [service = '', backend = ''] = name.split('/');
  return backendDrainKey(service, backend);
}

/**
 * The one thing that the operands name.
 *
 * @param known what there is; where something of that name is drained and nothing else is, undrain means that
 * @throws {UsageError} if they can mean several things, or make no sense
 * @throws {FailureError} for a name that the tree does not know
 */
export function resolve(operands: readonly string[], known: Known, { verb, force }: Wish): Target {
  const { kinds, text } = parse(operands, verb);
  const all = matches(text, kinds, known);
  const drained = verb === 'undrain' ? all.filter((target) => isDrained(target, known)) : [];
  const found = drained.length > 0 ? drained : all;
  const [target, ...others] = found;
  // What is not drained is not, whichever was meant.
  const isNoMatter = verb === 'undrain' && drained.length === 0;
  if (target !== undefined && (others.length === 0 || isNoMatter)) return target;
  if (target !== undefined) throw new UsageError(ambiguous(text, found, verb));
  const [kind, ...more] = kinds;
  if (!force || kind === undefined || more.length > 0) throw new FailureError(unknown(text, kinds, known, verb));
  return { kind, name: text };
}

function parse(operands: readonly string[], verb: string): { readonly kinds: readonly Kind[]; readonly text: string } {
  const [first = '', second, ...rest] = operands;
  const kind = KINDS.find((each) => each === first);
  const text = second ?? first;
  if (rest.length > 0 || (second !== undefined && kind === undefined))
    throw new UsageError(`expected host NAME, backend SERVICE/BACKEND, balancer NAME, or a name alone`);
  if (kind !== undefined && second === undefined)
    throw new UsageError(`the name of the ${kind} is missing: clusterf ${verb} ${kind} NAME`);
  const parts = text.split('/');
  if (kind === 'backend' && parts.length !== 2)
    throw new UsageError(`${quote(text)} names no backend; expected SERVICE/BACKEND, such as web/4c1f6e`);
  for (const part of kind === 'backend' ? parts : [text]) {
    const checked = checkName(part);
    // Without a kind it may be a backend's: two names.
    if (!checked.ok && (kind !== undefined || parts.length !== 2)) throw new UsageError(checked.message);
  }
  return { kinds: kind === undefined ? KINDS : [kind], text };
}

function isDrained({ kind, name }: Target, { drained }: Known): boolean {
  return drained.some((each) => each.kind === kind && each.name === name);
}

/** What is drained has a name, also where nothing else of that name is there any more. */
function matches(text: string, kinds: readonly Kind[], known: Known): readonly Target[] {
  return kinds.flatMap((kind) => {
    const drained = known.drained.filter((each) => each.kind === kind).map(({ name }) => name);
    const names = [...new Set([...known.names[kind], ...drained])];
    if (names.includes(text)) return [{ kind, name: text }];
    return kind === 'backend' ? backendsLike(text, names, known) : [];
  });
}

/** A backend's own name is a container's id: its container's name will do, and the beginning of the id. */
function backendsLike(text: string, names: readonly string[], { config }: Known): readonly Target[] {
  const [service = '', backend = ''] = text.split('/');
  const ofService = config.services.get(service)?.backends ?? new Map();
  const byContainer = [...ofService].filter(([, { container }]) => backend !== '' && container === backend);
  if (byContainer.length > 0) return byContainer.map(([name]) => ({ kind: 'backend', name: `${service}/${name}` }));
  if (backend.length < SHORTEST) return [];
  return names.filter((name) => name.startsWith(text)).map((name) => ({ kind: 'backend', name }));
}

function ambiguous(text: string, found: readonly Target[], verb: string): string {
  const commands = found.map((target) => {
    const command = `clusterf ${verb} ${describe(target)}`;
    return verb === 'undrain' ? command : `${command} (${WHAT[target.kind]})`;
  });
  return `${quote(text)} can mean several things; say which: ${commands.join(', or ')}`;
}

function unknown(text: string, kinds: readonly Kind[], { names }: Known, verb: string): string {
  const [kind, ...more] = kinds;
  if (kind !== undefined && more.length === 0)
    return `no ${kind} ${quote(text)} in this tree; there ${listed(names[kind])}. --force ${verb}s it all the same`;
  const there = KINDS.filter((each) => each !== 'backend').map((each) => `${each}s: ${some(names[each])}`);
  return `${quote(text)} is no host, backend (SERVICE/BACKEND) or balancer of this tree; ${there.join('; ')}. With its kind and --force it is ${verb}ed all the same`;
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'is none' : `${names.length === 1 ? 'is' : 'are'} ${some(names)}`;
}

function some(names: readonly string[]): string {
  const more = names.length > LISTED ? [`and ${names.length - LISTED} more`] : [];
  return names.length === 0 ? 'none' : [...names.slice(0, LISTED), ...more].join(', ');
}
