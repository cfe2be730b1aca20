/** (a) to (c): with a real dockerd. */
import type { Dockerd } from '../../fixtures/dockerd.js';
import { until } from '../../fixtures/until.js';
import { markdownTable, milliseconds } from '../markdown.js';
import { quantile } from '../statistics.js';
import { Crowd, inParallel, pathOf, requireEqual } from './crowd.js';
import type { Environment } from './environment.js';

const CONTAINERS = 200;
const STARTS = 100;
const AGENT_STARTS = 5;
/** dockerd takes half a minute for each. */
const BURSTS = 3;

export async function measureReal(environment: Environment, dockerd: Dockerd): Promise<string> {
  const { quick, say } = environment;
  const crowd = await Crowd.create(dockerd, quick ? CONTAINERS / 10 : CONTAINERS);
  const half = crowd.ids.length / 2;
  say(`${crowd.ids.length} containers created`);
  const rows = [
    ...(await measureStarts(environment, dockerd, crowd, crowd.ids.slice(0, Math.min(half, STARTS)))),
    ...(await measureAgentStarts(environment, dockerd, crowd)),
    ...(await measureBurst(environment, dockerd, crowd)),
  ];
  return markdownTable(['', 'runs', 'p50', 'p99', 'worst'], rows);
}

/** (a) One after the other, each waited for in etcd. */
async function measureStarts(
  { startAgent, tree, say }: Environment,
  dockerd: Dockerd,
  crowd: Crowd,
  ids: readonly string[],
): Promise<string[][]> {
  await using agent = startAgent(dockerd.endpoint);
  await untilReady();
  const told = new Map<string, number>();
  const over = new AbortController();
  await crowd.api.follow(({ Type, Action, Actor, timeNano }) => {
    if (Type === 'container' && Action === 'start') told.set(Actor.ID, timeNano / 1e6);
  }, over.signal);
  const answered: number[] = [];
  const written: number[] = [];
  const ofAgent: number[] = [];
  for (const id of ids) {
    const began = performance.now();
    const answer = crowd.start(id).then(() => answered.push(performance.now() - began));
    const at = await tree.until(`${id} is registered`, (entries) => entries.has(pathOf(id)));
    await answer;
    written.push(at - began);
    // One machine, one clock.
    ofAgent.push(performance.timeOrigin + at - (told.get(id) ?? Number.NaN));
  }
  over.abort();
  await agent.stop();
  say(`starts: ${milliseconds(quantile(written, 0.5))}`);
  return [
    figures('`docker start` → key in etcd', written),
    figures('– of which dockerd’s event → key in etcd', ofAgent),
    figures('– dockerd’s own answer to `docker start`', answered),
  ];
}

/** (b) */
async function measureAgentStarts(
  { startAgent, tree, say, quick }: Environment,
  dockerd: Dockerd,
  crowd: Crowd,
): Promise<string[][]> {
  const running = await crowd.running();
  await inParallel(
    crowd.ids.filter((id) => !running.has(id)),
    (id) => crowd.start(id),
  );
  const expected = await crowd.running();
  const took: number[] = [];
  for (let run = 0; run < (quick ? 1 : AGENT_STARTS); run += 1) {
    await using agent = startAgent(dockerd.endpoint);
    took.push((await tree.until('all are registered', ({ size }) => size === expected.size)) - agent.began);
    requireEqual(tree.entries, expected);
    await agent.stop();
    await tree.until('all are gone', ({ size }) => size === 0);
  }
  say(`agent starts: ${took.map(milliseconds).join(', ')}`);
  return [figures(`${expected.size} running: agent started → all in etcd`, took)];
}

/** (c) Half are killed while the other half, killed before, is started. */
async function measureBurst(
  { startAgent, tree, say, quick }: Environment,
  dockerd: Dockerd,
  crowd: Crowd,
): Promise<string[][]> {
  const half = crowd.ids.length / 2;
  const [one, other] = [crowd.ids.slice(0, half), crowd.ids.slice(half)];
  await inParallel(other, (id) => crowd.kill(id));
  await using agent = startAgent(dockerd.endpoint);
  await tree.until('the one half is registered', ({ size }) => size === half);
  let last = 0;
  const over = new AbortController();
  await crowd.api.follow(({ timeNano }) => {
    last = Math.max(last, timeNano / 1e6);
  }, over.signal);
  const took: number[] = [];
  let [running, stopped] = [one, other];
  for (let run = 0; run < (quick ? 1 : BURSTS); run += 1) {
    const began = performance.now();
    const killed = inParallel(running, (id) => crowd.kill(id));
    await Promise.all([killed, inParallel(stopped, (id) => crowd.start(id))]);
    const goal = new Set(stopped.map(pathOf));
    const right = (entries: ReadonlyMap<string, string>) =>
      entries.size === goal.size && [...goal].every((path) => entries.has(path));
    await tree.until('the other half is registered', right);
    const expected = await crowd.running();
    requireEqual(tree.entries, expected);
    took.push(Math.max(0, performance.timeOrigin + tree.changedAt - last));
    say(`burst: dockerd took ${milliseconds(performance.now() - began)}, the agent ${milliseconds(took.at(-1) ?? 0)}`);
    [running, stopped] = [stopped, running];
  }
  over.abort();
  await agent.stop();
  await inParallel(running, (id) => crowd.kill(id));
  return [figures(`${half} starts and ${half} kills at once: last event → tree right`, took)];
}

/** Subscribed and listed: nothing of its start is measured. */
async function untilReady(): Promise<void> {
  await until('the agent is ready', async () => (await fetch('http://127.0.0.1:9781/readyz')).ok);
}

function figures(what: string, values: readonly number[]): string[] {
  const some = [quantile(values, 0.5), quantile(values, 0.99), Math.max(...values)];
  return [what, String(values.length), ...some.map(milliseconds)];
}
