/**
 * The docker-agent in one page:
 *
 *   events (triggers only) → list + inspect → ContainerState[] → registrations → leased writer
 *
 * Everything between Docker and the writer is computed anew from all that is known, at every change; the writer
 * compares with what it wrote and touches only what differs.
 */
import { type Clock, delay, FailureError, isAbortedByFailure, type Logger } from '@clusterf/daemon';
import { hostStatusKey, parseKey } from '@clusterf/model';
import { type ClaimEntry, ClaimedError, type RegistrationEvent, type Registrations } from '@clusterf/store';
import type { DockerView } from './container.js';
import { endRegistrations, type EndingOptions } from './ending.js';
import type { HostAddresses } from './host-addresses.js';
import { type Count, hostStatus, type Run } from './host-status.js';
import { logRegistrations } from './registration-log.js';
import { type Registered, registrations, type RegistrationOptions } from './registrations.js';
import type { Report } from './report.js';
import { DockerWatch } from './watch.js';

export interface AgentParts {
  /** Opens what the registrations are written to; absent = nothing is written. */
  readonly open: ((claim: ClaimEntry, onEvent: (event: RegistrationEvent) => void) => Registrations) | undefined;
  /** Told all entries at every change. */
  readonly print: ((entries: ReadonlyMap<string, string>) => void) | undefined;
  /** The host's addresses as they are now, given what they were before. */
  readonly lookUp: (before: HostAddresses) => Promise<HostAddresses>;
  /** Told what the agent does; has the engine that it asks. */
  readonly report: Report;
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
 * @param outer with a failure as its reason, of something that runs beside it, it ends as on a failure of its own
 * @throws {ClaimedError} if another agent, which is alive, registers under this host's name
 */
export async function runAgent(parts: AgentParts, settings: AgentSettings, outer: AbortSignal): Promise<void> {
  const { open, print, lookUp, report, clock, log, run } = parts;
  let options = { ...settings, hostAddresses: await lookUp({}) };
  let registered: Registered = { entries: new Map(), shared: new Map(), problems: [] };

  const logEvent = logRegistrations(log);
  let described = hostStatus(run);
  const writer = open?.({ path: hostStatusKey(settings.hostName), value: described }, (event) => {
    logEvent(event);
    report.heard(event);
  });
  let counted: Omit<Count, 'problems'> | undefined;
  // With the problems that come and go between two views: what etcd refuses, what somebody else holds.
  const describe = () => {
    const value = hostStatus(run, counted && { ...counted, problems: report.problems.length });
    if (value === described) return;
    described = value;
    writer?.describe(value);
  };
  if (writer !== undefined) report.writes(writer, describe);
  const signal = writer === undefined ? outer : AbortSignal.any([outer, writer.refusal]);

  const onView = (view: DockerView, unsure: ReadonlySet<string>) => {
    registered = registrations(view, options);
    const { entries, shared } = registered;
    writer?.publish(entries, { shared, keep: (path) => unsure.size > 0 && mayBeOf(unsure, path) });
    counted = { containers: view.containers.length, registrations: entries.size + shared.size };
    report.viewed(view, registered, unsure.size === 0);
    print?.(new Map([...entries, ...shared]));
  };
  const watch = new DockerWatch({
    engine: report.engine,
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
      if (!signal.aborted) options = { ...settings, hostAddresses: await lookUp(options.hostAddresses) };
    }
  };

  try {
    if (settings.once) await registerOnce(watch, writer, outer);
    else await Promise.all([watch.run(signal), lookAgain()]);
    writer?.refusal.throwIfAborted();
    if (isAbortedByFailure(outer)) outer.throwIfAborted();
  } catch (error) {
    // What fails is started again, and takes over where it was: no reason to remove anything.
    await writer?.close();
    if (!(settings.once && print !== undefined && error instanceof ClaimedError)) throw error;
    // Who asks to see it beside the agent that registers it has seen it.
    log.info('printed, and left to the agent that has this host name', { reason: error.message });
    return;
  }
  if (writer !== undefined) await endRegistrations(writer, registered.shared, settings, { clock, log });
}

/** Whether an entry may come of one of these containers: of one that is no backend, nobody knows. */
function mayBeOf(containers: ReadonlySet<string>, path: string): boolean {
  const key = parseKey(path);
  return key.kind !== 'backend' || containers.has(key.backend);
}

async function registerOnce(watch: DockerWatch, writer: Registrations | undefined, signal: AbortSignal): Promise<void> {
  try {
    await watch.once(signal);
    await writer?.settled(signal);
    const [refused, ...others] = writer?.state.refused.values() ?? [];
    if (refused === undefined) return;
    const more = others.length === 0 ? '' : `; and ${others.length} more registrations`;
    throw new FailureError(`not registered: ${refused.message}${more}`, { cause: refused });
  } catch (error) {
    // Told to stop before it was done: no failure of ours.
    if (!signal.aborted) throw error;
  }
}
