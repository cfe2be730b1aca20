import { FailureError } from '@clusterf/daemon';
import { isLive } from './backends.js';
import type { ContainerState, Engine } from './container.js';
import type { DecisionOptions } from './decisions.js';
import { Kills } from './events.js';
import { explain, type Explanation, tooYoung } from './explain.js';
import { formerKills } from './former-kills.js';
import { requestedServices } from './labels.js';
import { networkOwnersOf } from './shared-network.js';

export interface ExplainOptions extends DecisionOptions {
  /** Milliseconds that a container has to have run to be registered. */
  readonly minUptime: number;
}

/**
 * Asks Docker for a container, and for the others that have a say in what it is registered as. Whether it has been told
 * to stop is known as far as Docker remembers its last events.
 *
 * @param name of the container, or its id, or the beginning of that
 * @throws FailureError if Docker has no such container
 */
export async function explainContainer(
  name: string,
  engine: Engine,
  options: ExplainOptions,
  signal: AbortSignal,
): Promise<Explanation> {
  const { now } = await engine.recall(0, 0, signal);
  const kills = new Kills();
  for (const kill of await formerKills(engine, now, signal)) kills.record(kill.id, kill.signal, kill.time);

  const container = await engine.inspect(name, signal);
  if (container === undefined) throw new FailureError(`Docker has no container ${JSON.stringify(name)}`);
  const uptime = ({ startedAt }: ContainerState) => Math.max(0, now - startedAt);
  const grownUp = (await rivals(container, engine, signal)).filter((rival) => uptime(rival) >= options.minUptime);
  const containers = [container, ...grownUp];
  const others = await ownersOf(containers, engine, signal);
  const draining = new Set(containers.filter((each) => kills.draining(each, now)).map(({ id }) => id));
  const explanation = explain(container.id, { containers, others, draining }, options);
  if (explanation === undefined) throw new TypeError(`${container.id} is not explained`);
  const isYoung = isLive(container) && uptime(container) < options.minUptime;
  return isYoung ? tooYoung(explanation, uptime(container), options.minUptime) : explanation;
}

/** Those whose labels ask for a frontend of one of its services. */
async function rivals(container: ContainerState, engine: Engine, signal: AbortSignal): Promise<ContainerState[]> {
  const services = new Set(requestedServices(container.labels).services.map(({ service }) => service));
  const asking = (await engine.list(signal)).filter(
    ({ id, labels }) =>
      id !== container.id &&
      requestedServices(labels).services.some(
        ({ service, frontend }) => frontend !== undefined && services.has(service),
      ),
  );
  return await inspectAll(
    asking.map(({ id }) => id),
    engine,
    signal,
  );
}

async function ownersOf(
  containers: readonly ContainerState[],
  engine: Engine,
  signal: AbortSignal,
): Promise<ContainerState[]> {
  const known = new Set(containers.map(({ id }) => id));
  const owners: ContainerState[] = [];
  for (let next = containers; next.length > 0; ) {
    const missing = [...networkOwnersOf(next)].filter((id) => !known.has(id));
    for (const id of missing) known.add(id);
    next = await inspectAll(missing, engine, signal);
    owners.push(...next);
  }
  return owners;
}

async function inspectAll(ids: readonly string[], engine: Engine, signal: AbortSignal): Promise<ContainerState[]> {
  const found: ContainerState[] = [];
  for (const id of ids) {
    const state = await engine.inspect(id, signal);
    if (state !== undefined) found.push(state);
  }
  return found;
}
