/**
 * Makes of the multipath routes that a routing daemon writes to one table routes in the main table that keep flows where
 * they are: each through a resilient next-hop group of the kernel (Linux 5.13 or later), of which a next hop that goes takes
 * only its own flows along, and one that comes takes only what is not in use. BIRD writes no such groups itself.
 *
 *     resilient-routes.js TABLE IDLE-SECONDS
 *
 * A plain program for the router, with nothing but Node and iproute2. When it starts it makes its groups anew, once.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const [table = '100', idleSeconds = '120'] = process.argv.slice(2);
/** Marks what is ours in the kernel. */
const PROTOCOL = 107;
/** More of them spread more evenly; each is a few bytes. It cannot be changed while a group is there. */
const BUCKETS = 256;

/**
 * Each next hop is there twice: of a group of one, which is what is left when but one balancer lives, the kernel does not
 * take down for IPv4 what is in use, and would send half of it to the next balancer that comes.
 */
const TIMES = 2;

/** @type {Map<string, number[]>} next hops by `via … dev …` */
const hopIds = new Map();
/** @type {Map<string, {id: number, hops: string}>} groups by prefix */
const groups = new Map();
let lastId = 0;

function ip(...words) {
  return execFileSync('ip', words, { encoding: 'utf8' });
}

/** What the routing daemon wants: next hops by prefix, sorted. */
function wanted() {
  // Of all tables: asking for one alone is an error until it has its first route.
  const all = ['-4', '-6'].flatMap((family) =>
    JSON.parse(ip('-json', family, 'route', 'show', 'table', 'all') || '[]'),
  );
  const routes = all.filter((route) => route.table === table);
  return new Map(
    routes.map(({ dst, gateway, dev, nexthops = [{ gateway, dev }] }) => [
      dst,
      nexthops.map((hop) => `via ${hop.gateway} dev ${hop.dev}`).toSorted(),
    ]),
  );
}

/** The lines of `ip -batch` that bring the kernel there. Make before break. */
function plan(routes) {
  const lines = [];
  const idsOf = (hop) => {
    const known = hopIds.get(hop);
    if (known !== undefined) return known;
    const ids = Array.from({ length: TIMES }, () => (lastId += 1));
    hopIds.set(hop, ids);
    lines.push(...ids.map((id) => `nexthop add id ${id} ${hop} protocol ${PROTOCOL}`));
    return ids;
  };
  for (const [prefix, hops] of routes) {
    const members = hops.flatMap(idsOf).join('/');
    const group = groups.get(prefix);
    if (group?.hops === members) continue;
    const id = group?.id ?? (lastId += 1);
    const type = `type resilient buckets ${BUCKETS} idle_timer ${idleSeconds} unbalanced_timer 0`;
    lines.push(`nexthop replace id ${id} group ${members} ${type} protocol ${PROTOCOL}`);
    if (group === undefined) lines.push(`route replace ${prefix} nhid ${id} proto ${PROTOCOL}`);
    groups.set(prefix, { id, hops: members });
  }
  for (const [prefix, { id }] of groups) {
    if (routes.has(prefix)) continue;
    lines.push(`route delete ${prefix} proto ${PROTOCOL}`, `nexthop delete id ${id}`);
    groups.delete(prefix);
  }
  const used = new Set([...routes.values()].flat());
  for (const [hop, ids] of hopIds) {
    if (used.has(hop)) continue;
    lines.push(...ids.map((id) => `nexthop delete id ${id}`));
    hopIds.delete(hop);
  }
  return lines;
}

function follow() {
  const lines = plan(wanted());
  if (lines.length === 0) return;
  process.stdout.write(`${lines.join('\n')}\n`);
  execFileSync('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` });
}

for (const family of ['-4', '-6']) ip(family, 'route', 'flush', 'proto', String(PROTOCOL));
ip('nexthop', 'flush', 'protocol', String(PROTOCOL));
// First listen, then look: nothing falls between.
const monitor = spawn('ip', ['monitor', 'route'], { stdio: ['ignore', 'pipe', 'inherit'] });
monitor.once('exit', (status) => process.exit(status ?? 1));
createInterface(monitor.stdout).on('line', follow);
follow();
