import type { ContainerState, DockerEvent } from './container.js';
import type { Labels } from './label-settings.js';
import { isLabelled } from './labels.js';
import { SIGKILL } from './signals.js';

/** What there is to do about an event; `undefined` = nothing, at no cost. */
export type Trigger =
  | { readonly type: 'inspect'; readonly id: string }
  | { readonly type: 'kill'; readonly id: string; readonly signal: number; readonly time: number }
  | { readonly type: 'networks' };

/**
 * @param concerns whether the container with this id is known to matter: events of networks name the container but not
 *   its labels, and who lends its network to one of ours may have none. One that is not known yet will be, when it starts.
 */
export function triggerOf(event: DockerEvent, concerns: (id: string) => boolean): Trigger | undefined {
  if (event.type === 'network') {
    if (event.action !== 'connect' && event.action !== 'disconnect') return { type: 'networks' };
    const { container } = event;
    return container !== undefined && concerns(container) ? { type: 'inspect', id: container } : undefined;
  }
  // What was only created does not run.
  if (event.action === 'create') return undefined;
  if (!isLabelled(event.labels) && !concerns(event.id)) return undefined;
  // Without a signal, as Podman tells it, an inspect has to say what became of the container.
  if (event.action !== 'kill' || event.signal === undefined) return { type: 'inspect', id: event.id };
  return { type: 'kill', id: event.id, signal: event.signal, time: event.time };
}

/**
 * Whether nobody can know which signals the container is sent: Docker tells an event's own attributes and the
 * container's labels as one, and a label called `signal` takes the place of the kill's.
 */
export function hidesSignals(labels: Labels): boolean {
  return labels['signal'] !== undefined;
}

/** Milliseconds: who started so much later than now did so before Docker's clock was set back. */
const SET_BACK = 60_000;

type Killable = Pick<ContainerState, 'id' | 'labels' | 'stopSignal' | 'startedAt'>;

/**
 * Which containers have been told to stop. Docker tells it once, by a `kill` event, and no inspect shows it; so
 * it is kept here until the container starts again or is gone. Both times compared are Docker's own, so the order
 * in which event and inspect reach us does not matter, nor does hearing of an event twice.
 */
export class Kills {
  /** By container and signal, when it was last sent. */
  readonly #sent = new Map<string, Map<number, number>>();

  record(id: string, signal: number, time: number): void {
    const signals = this.#sent.get(id) ?? new Map<number, number>();
    signals.set(signal, Math.max(time, signals.get(signal) ?? time));
    this.#sent.set(id, signals);
  }

  /**
   * Any other signal (HUP to reload, USR1 to rotate logs) is the container's own affair.
   *
   * @param now by Docker's clock, within some seconds
   */
  draining({ id, labels, stopSignal, startedAt }: Killable, now: number): boolean {
    // Rather not drained than at every reload of its configuration.
    if (hidesSignals(labels)) return false;
    const signals = this.#sent.get(id);
    return [stopSignal, SIGKILL].some((signal) => {
      const time = signals?.get(signal);
      if (time === undefined) return false;
      const isSetBack = startedAt > now + SET_BACK;
      // What the clock says by now is then before the start, and yet after it.
      return time >= startedAt || (isSetBack && time < now + SET_BACK);
    });
  }

  /** The container does not run any more. */
  forget(id: string): void {
    this.#sent.delete(id);
  }
}
