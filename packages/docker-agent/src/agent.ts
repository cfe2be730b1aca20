/**
 * The docker-agent in one page:
 *
 *   events (triggers only) → list + inspect → ContainerState[] → registrations → leased writer
 *
 * Everything between Docker and the writer is computed anew from all that is known, at every change; the writer
 * compares with what it wrote and touches only what differs.
 */
import { type Clock, delay, type Logger, ProblemLog } from '@clusterf/daemon';
import { hostStatusKey, type Problem } from '@clusterf/model';
import type { ClaimEntry, RegistrationEvent, Registrations } from '@clusterf/store';
import type { DockerView, Engine } from './container.js';
import { endRegistrations, type EndingOptions } from './ending.js';
import type { HostAddresses } from './host-addresses.js';
import { hostStatus, type Run } from './host-status.js';
import { logRegistrations } from './registration-log.js';
import { type Registered, registrations, type RegistrationOptions } from './registrations.js';
import { DockerWatch } from './watch.js';

export interface AgentParts {
  readonly engine: Engine;
  /** Opens what the registrations are written to; absent = nothing is written. */
  readonly open: ((claim: ClaimEntry, onEvent: (event: RegistrationEvent) => void) => Registrations) | undefined;
  /** Told all entries at every change. */
  readonly print: ((entries: ReadonlyMap<string, string>) => void) | undefined;
  /** The host's addresses as they are now, given what they were before. */
  readonly lookUp: (before: HostAddresses) => Promise<HostAddresses>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly run: Run;
}

export interface AgentSettings extends Omit<RegistrationOptions, 'hostAddresses'>, EndingOptions {
  readonly resync: number;
  readonly inspectParallel: number;
  readonly minUptime: number;
  readonly once: boolean;
}

/**
 * Runs until the signal aborts, or, with `once`, until what runs now is registered.
 *
 * @throws {ClaimedError} if another agent, which is alive, registers under this host's name
 */
export async function runAgent(parts: AgentParts, settings: AgentSettings, outer: AbortSignal): Promise<void> {
  const { engine, open, print, lookUp, clock, log, run } = parts;
  const problems = new ProblemLog(log);
  let hostAddresses = await lookUp({});
  let registered: Registered = { entries: new Map(), shared: new Map(), problems: [] };

  const report = (held: ReadonlyMap<string, string>) => {
    problems.update([...registered.problems, ...inTheWay(held, registered.shared)]);
  };
  const logEvent = logRegistrations(log);
  const writer = open?.({ path: hostStatusKey(settings.hostName), value: hostStatus(run) }, (event) => {
    logEvent(event);
    if (event.type === 'held by another' || event.type === 'put key') report(writer?.state.held ?? new Map());
  });
  const signal = writer === undefined ? outer : AbortSignal.any([outer, writer.refusal]);

  const onView = (view: DockerView, complete: boolean) => {
    registered = registrations(view, { ...settings, hostAddresses });
    const { entries, shared } = registered;
    writer?.publish(entries, { shared, partial: !complete });
    writer?.describe(
      hostStatus(run, {
        containers: view.containers.length,
        registrations: entries.size + shared.size,
        problems: registered.problems.length,
      }),
    );
    report(writer?.state.held ?? new Map());
    print?.(new Map([...entries, ...shared]));
  };
  const watch = new DockerWatch({
    engine,
    clock,
    log,
    resync: settings.resync,
    parallel: settings.inspectParallel,
    minUptime: settings.minUptime,
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
    writer?.refusal.throwIfAborted();
  } catch (error) {
    // What fails is started again, and takes over where it was: no reason to remove anything.
    await writer?.close();
    throw error;
  }
  if (writer !== undefined) await endRegistrations(writer, registered.shared, settings, { clock, log });
}

/** Keys that we would put, were they not somebody else's who has something else in mind. */
function inTheWay(held: ReadonlyMap<string, string>, shared: ReadonlyMap<string, string>): readonly Problem[] {
  return [...held].flatMap(([key, theirs]) => {
    const ours = shared.get(key);
    if (ours === undefined || ours === theirs) return [];
    return [{ source: 'docker', key, message: `not published: somebody else has put ${theirs} there, not ${ours}` }];
  });
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
