/** (d): 5,000 containers and 1,000 events a second, by a recorded API. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Contender } from '../contender.js';
import { markdownTable, milliseconds, seconds } from '../markdown.js';
import { quantile } from '../statistics.js';
import { pathOf, requireEqual } from './crowd.js';
import type { Environment } from './environment.js';
import type { EventLine } from './docker-api.js';
import { type RecordedContainer, RecordedDocker } from './recorded-docker.js';
import type { Recording } from './recording.js';

const CONTAINERS = 5_000;
const EVENTS_A_SECOND = 1_000;
const DURATION = 20_000;
/** Milliseconds between portions of events. */
const INTERVAL = 10;
/** Containers that are killed and started by turns and waited for, and milliseconds from one to the next. */
const PROBES = 100;
const PROBE_INTERVAL = 100;
/** Containers that are restarted side by side: so far apart are the events of one. */
const WAVE = 100;
/** Milliseconds for what the start left to be collected. */
const SETTLING = 3_000;

export async function measureStorm(environment: Environment, recording: Recording): Promise<string> {
  const { tree, say, quick } = environment;
  const socketPath = join(environment.directory, 'docker.sock');
  await using docker = new RecordedDocker(recording, quick ? CONTAINERS / 10 : CONTAINERS);
  await docker.listen(socketPath);
  await using agent = environment.startAgent(`unix://${socketPath}`);
  const { containers } = docker;
  const registered = await tree.until('all are registered', ({ size }) => size === containers.length);
  const start = registered - agent.began;
  say(`${containers.length} containers registered after ${seconds(start)}`);
  await delay(SETTLING);
  const idle = agent.memory('VmRSS');
  const asked = docker.asked.inspect;
  const storm = await rage(environment, docker, recording, agent, quick ? DURATION / 4 : DURATION);
  const inspects = docker.asked.inspect - asked;
  const addresses = new Map(containers.filter(({ running }) => running).map(({ id, address }) => [id, address]));
  const right = (entries: ReadonlyMap<string, string>) => isEqual(entries, addresses);
  const over = performance.now();
  const settled = Math.max(0, (await tree.until('the tree is right', right)) - over);
  await delay(SETTLING);
  requireEqual(tree.entries, addresses);
  const { lags, events, lasted, cpu } = storm;
  const quarters = [lags.slice(0, lags.length / 4), lags.slice((-1 * lags.length) / 4)];
  const [first, last] = quarters.map((quarter) => milliseconds(quantile(quarter, 0.5)));
  const rows = [
    [`agent started → all ${containers.length.toLocaleString('en')} in etcd`, seconds(start)],
    ['events a second', ((events / lasted) * 1000).toFixed(0)],
    ['inspects a second', ((inspects / lasted) * 1000).toFixed(0)],
    [`event written → key in etcd, ${lags.length} probes: p50`, milliseconds(quantile(lags, 0.5))],
    ['– p99', milliseconds(quantile(lags, 0.99))],
    ['– worst', milliseconds(Math.max(...lags))],
    ['– p50 of the first and of the last quarter', `${first ?? ''}, ${last ?? ''}`],
    ['last event → tree right', milliseconds(settled)],
    ['processor time of the agent', `${seconds(cpu)} in ${seconds(lasted)}: ${((100 * cpu) / lasted).toFixed(0)} %`],
    ['VmRSS before', `${idle.toFixed(0)} MB`],
    ['VmRSS after', `${agent.memory('VmRSS').toFixed(0)} MB`],
    ['VmHWM', `${agent.memory('VmHWM').toFixed(0)} MB`],
  ];
  await agent.stop();
  return markdownTable([`${containers.length.toLocaleString('en')} containers`, ''], rows);
}

interface Storm {
  readonly lags: readonly number[];
  readonly events: number;
  /** Milliseconds. */
  readonly lasted: number;
  readonly cpu: number;
}

/** Restarts containers, wave by wave, and times what becomes of the probes in etcd. */
async function rage(
  { tree }: Environment,
  docker: RecordedDocker,
  { ending, starting }: Recording,
  agent: Contender,
  duration: number,
): Promise<Storm> {
  const probes = docker.containers.slice(0, PROBES);
  const crowd = docker.containers.slice(PROBES);
  /** By path, whether it is to be there, and since when. */
  const awaited = new Map<string, { readonly there: boolean; readonly since: number }>();
  const lags: number[] = [];
  tree.onChange(({ path, value, at }) => {
    const probe = awaited.get(path);
    if (probe === undefined || probe.there !== (value !== undefined)) return;
    awaited.delete(path);
    lags.push(at - probe.since);
  });

  let events = 0;
  const tell = (container: RecordedContainer, event: EventLine) => {
    // What an event says is so before it is told.
    if (event.Action === 'die') container.running = false;
    if (event.Action === 'start') {
      container.running = true;
      container.startedAt = Date.now();
    }
    docker.tell(container, event);
    events += 1;
  };
  const toggle = (probe: RecordedContainer) => {
    const decisive = probe.running ? 'die' : 'start';
    for (const event of probe.running ? ending : starting) {
      if (event.Action === decisive) awaited.set(pathOf(probe.id), { there: !probe.running, since: performance.now() });
      tell(probe, event);
    }
  };

  const steps = [...ending, ...starting];
  const restarts = waves(crowd, steps);
  const began = performance.now();
  const cpu = agent.cpu();
  const isOver = () => performance.now() - began > duration;
  for (let toggled = 0, told = 0; !isOver() || told % (WAVE * steps.length) > 0; ) {
    const elapsed = performance.now() - began;
    for (; toggled * PROBE_INTERVAL < elapsed && !isOver(); toggled += 1) {
      const probe = probes[toggled % probes.length];
      if (probe !== undefined) toggle(probe);
    }
    for (let due = (elapsed / 1000) * EVENTS_A_SECOND - events; due > 0; due -= 1) {
      // Whatever was begun is brought to its end.
      if (isOver() && told % (WAVE * steps.length) === 0) break;
      tell(...restarts.next().value);
      told += 1;
    }
    await delay(INTERVAL);
  }
  return { lags, events, lasted: performance.now() - began, cpu: agent.cpu() - cpu };
}

/** Without an end. */
function* waves<T>(all: readonly T[], steps: readonly EventLine[]): Generator<[T, EventLine], never> {
  for (let start = 0; ; start = (start + WAVE) % all.length) {
    const wave = all.slice(start, start + WAVE);
    for (const step of steps) for (const one of wave) yield [one, step];
  }
}

function isEqual(entries: ReadonlyMap<string, string>, addresses: ReadonlyMap<string, string>): boolean {
  try {
    requireEqual(entries, addresses);
    return true;
  } catch {
    return false;
  }
}
