/**
 * The docker-agent in one page:
 *
 *   events (triggers only) → list + inspect → ContainerState[] → registrations → leased writer
 *
 * Everything between Docker and the writer is computed anew from all that is known, at every change; the writer
 * compares with what it wrote and touches only what differs.
 */
import { type Clock, delay, type Logger, ProblemLog } from '@clusterf/daemon';
import type { Registrations } from '@clusterf/store';
import type { DockerView, Engine } from './container.js';
import type { HostAddresses } from './host-addresses.js';
import { registrations, type RegistrationOptions } from './registrations.js';
import { DockerWatch } from './watch.js';

export interface AgentParts {
  readonly engine: Engine;
  /** Absent = nothing is written. */
  readonly writer: Registrations | undefined;
  /** Told all entries at every change. */
  readonly print: ((entries: ReadonlyMap<string, string>) => void) | undefined;
  /** The host's addresses as they are now, given what they were before. */
  readonly lookUp: (before: HostAddresses) => Promise<HostAddresses>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface AgentSettings extends Omit<RegistrationOptions, 'hostAddresses'> {
  readonly resync: number;
  readonly inspectParallel: number;
  readonly once: boolean;
  readonly exitFlush: boolean;
}

/** Runs until the signal aborts, or, with `once`, until what runs now is registered. */
export async function runAgent(parts: AgentParts, settings: AgentSettings, signal: AbortSignal): Promise<void> {
  const { engine, writer, print, lookUp, clock, log } = parts;
  const problems = new ProblemLog(log);
  let hostAddresses = await lookUp({});

  const onView = (view: DockerView) => {
    const registered = registrations(view, { ...settings, hostAddresses });
    problems.update(registered.problems);
    writer?.publish(registered.entries);
    print?.(registered.entries);
  };
  const watch = new DockerWatch({
    engine,
    clock,
    log,
    resync: settings.resync,
    parallel: settings.inspectParallel,
    networks: settings.routeNetworks,
    onView,
  });

  // An address that changed counts from the next listing on at the latest.
  const lookAgain = async () => {
    while (!signal.aborted) {
      await delay(clock, settings.resync, signal);
      if (!signal.aborted) hostAddresses = await lookUp(hostAddresses);
    }
  };

  try {
    if (settings.once) await registerOnce(watch, writer, signal);
    else await Promise.all([watch.run(signal), lookAgain()]);
  } finally {
    // By default the keys are left to their TTL: an upgraded agent is back before it ends, and nobody notices.
    await (settings.exitFlush ? writer?.flush() : writer?.close());
  }
}

async function registerOnce(watch: DockerWatch, writer: Registrations | undefined, signal: AbortSignal): Promise<void> {
  try {
    await watch.once(signal);
    await writer?.settled(signal);
  } catch (error) {
    // Told to stop before it was done: no failure of ours.
    if (!signal.aborted) throw error;
  }
}
