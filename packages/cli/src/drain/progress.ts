/** How far a drain has come, by what balancers tell of it. Pure. */
import type { Balancer, DrainedThere } from './balancers.js';
import type { Drained } from './known.js';

export type Progress =
  /** Nothing of it goes on. */
  | { readonly state: 'done' }
  /** In words: what is waited for. */
  | { readonly state: 'waiting'; readonly message: string }
  /** It cannot be told, and waiting will not help. */
  | { readonly state: 'unknown'; readonly message: string };

export function progressOf(target: Drained, balancers: readonly Balancer[]): Progress {
  return target.kind === 'balancer' ? ofBalancer(target, balancers) : ofBackends(target, balancers);
}

/** Active connections that balancers count of it; undefined as long as one of them cannot say. */
export function connectionsOf(target: Drained, balancers: readonly Balancer[]): number | undefined {
  const counts = balancers.map((balancer) => find(target, balancer)?.activeConnections);
  if (counts.length === 0 || counts.includes(undefined)) return undefined;
  return counts.reduce<number>((sum, count = 0) => sum + count, 0);
}

function ofBalancer(target: Drained, balancers: readonly Balancer[]): Progress {
  const own = balancers.find(({ name }) => name === target.name);
  if (own === undefined)
    return { state: 'unknown', message: `balancer ${target.name} does not show its status in this tree` };
  if (own.vipInterface === null) return { state: 'unknown', message: `balancer ${target.name} has no --vip-interface` };
  const { bound } = find(target, own) ?? {};
  if (bound === 0) return { state: 'done' };
  if (own.drained === undefined) return { state: 'unknown', message: older(own) };
  const message =
    bound === undefined ? `${own.name} has not heard of it yet` : `virtual addresses still bound: ${bound}`;
  return { state: 'waiting', message };
}

function ofBackends(target: Drained, balancers: readonly Balancer[]): Progress {
  if (balancers.length === 0)
    return {
      state: 'unknown',
      message: 'no balancer shows its status in this tree, so nobody tells how many connections are left',
    };
  const silent = balancers.find(({ drained }) => drained === undefined);
  if (silent !== undefined) return { state: 'unknown', message: older(silent) };
  const told = balancers.map((balancer) => ({ balancer, there: find(target, balancer) }));
  const waiting = told.flatMap(({ balancer: { name }, there }) => {
    if (there === undefined) return [`${name} has not heard of it yet`];
    const { activeConnections: active } = there;
    if (active === undefined) return [`${name} is still counting`];
    return active === 0 ? [] : [`${name}: ${active} active ${active === 1 ? 'connection' : 'connections'}`];
  });
  if (waiting.length > 0) return { state: 'waiting', message: waiting.join(', ') };
  const sum = (of: (there: DrainedThere) => number | undefined) =>
    told.reduce((total, { there }) => total + ((there && of(there)) ?? 0), 0);
  const [destinations, shared] = [sum((there) => there.destinations), sum((there) => there.shared)];
  if (destinations === 0 || destinations > shared) return { state: 'done' };
  return {
    state: 'unknown',
    message:
      'everywhere it shares its destination with backends that go on, and the kernel counts their connections together',
  };
}

/** What a balancer tells of this very drain: of one of that name before it, it may tell for some seconds still. */
function find({ kind, name, drain }: Drained, { drained = [] }: Balancer): DrainedThere | undefined {
  return drained.find((each) => each.kind === kind && each.name === name && each.since === drain.since);
}

function older({ name }: Balancer): string {
  return `balancer ${name} does not tell what is drained: its agent is an older one`;
}
