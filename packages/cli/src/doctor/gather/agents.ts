import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { formatHttpListen, parseHttpListen } from '@clusterf/daemon';
import { lockHolder } from '@clusterf/ipvs-agent';
import * as z from 'zod';
import type { Agent } from '../facts.js';

/** Milliseconds. */
const TIMEOUT = 3000;

/** As both agents show themselves at /status. */
const Status = z.object({
  version: z.string(),
  pid: z.number(),
  problems: z.array(z.unknown()).optional(),
  docker: z.unknown().optional(),
  ipvs: z.unknown().optional(),
});

const UNITS = ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system'];

/** The lock is in the network namespace: who is in another sees no other agent. */
export async function gatherIpvsAgent(name: string, listen: string): Promise<Agent> {
  const holder = await lockHolder();
  const agent = await gatherAgent(name, listen);
  if (holder === undefined || holder === 'unseen') return { ...agent, ...(holder && { lockHolder: holder }) };
  return { ...agent, lockHolder: holder.pid, stopped: await isStopped(holder.pid) };
}

/** By a signal or by a debugger: proc(5). */
async function isStopped(pid: number): Promise<boolean> {
  return /^State:\s*[Tt]/m.test(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''));
}

/** @param listen `--http-listen` */
export async function gatherAgent(name: string, listen: string): Promise<Agent> {
  return { unit: unitOf(name), ...(await askAgent(listen)) };
}

/** As far as files say: systemctl may not be there, or speak of another machine's systemd. */
function unitOf(name: string): Agent['unit'] {
  const file = `${name}.service`;
  if (!existsSync('/run/systemd/system') || !UNITS.some((directory) => existsSync(`${directory}/${file}`)))
    return 'none';
  return existsSync(`/etc/systemd/system/multi-user.target.wants/${file}`) ? 'enabled' : 'disabled';
}

async function askAgent(listen: string): Promise<Omit<Agent, 'unit'>> {
  const place = parseHttpListen(listen);
  if (place === undefined || place === 'none') return { listen, state: 'unknown' };
  // Whoever listens on all addresses is asked on this machine's own.
  const { host, port } = place;
  const at = formatHttpListen({
    host: host === undefined || host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host,
    port,
  });
  const status = await get(at, '/status');
  if (status === undefined) return { listen: at, state: 'nobody' };
  if (status === 'silence') return { listen: at, state: 'silent' };
  const parsed = Status.safeParse(json(status.body));
  if (!parsed.success) return { listen: at, state: 'stranger' };
  const [health, readiness] = [await answer(at, '/healthz'), await answer(at, '/readyz')];
  const { version, problems = [], docker, ipvs } = parsed.data;
  return {
    listen: at,
    state: 'running',
    version,
    problems: problems.length,
    both: docker !== undefined && ipvs !== undefined,
    ...(health?.ok === false && { unhealthy: health.body.trim() }),
    ...(readiness?.ok === false && { unready: readiness.body.trim() }),
  };
}

interface Answer {
  readonly ok: boolean;
  readonly body: string;
}

async function answer(at: string, path: string): Promise<Answer | undefined> {
  const got = await get(at, path);
  return got === 'silence' ? undefined : got;
}

/** Undefined if nobody listens. Who listens and speaks no HTTP is there with an answer that means nothing. */
async function get(at: string, path: string): Promise<Answer | 'silence' | undefined> {
  try {
    const response = await fetch(`http://${at}${path}`, { signal: AbortSignal.timeout(TIMEOUT) });
    return { ok: response.ok, body: await response.text() };
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') return 'silence';
    return isRefused(error) ? undefined : { ok: false, body: '' };
  }
}

function isRefused(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ECONNREFUSED';
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
