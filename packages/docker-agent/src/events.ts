import type { ContainerState, DockerEvent } from './container.js';
import { isLabelled } from './labels.js';
import { SIGKILL } from './signals.js';

/** What there is to do about an event; `undefined` = nothing, at no cost. */
export type Trigger =
  | { readonly type: 'inspect'; readonly id: string }
  | { readonly type: 'kill'; readonly id: string; readonly signal: number; readonly time: number }
  | { readonly type: 'networks' };

/**
 * @param known whether the container with this id is among ours: events of networks name the container but not
 *   its labels. One that is not known yet will be, when it starts.
 */
export function triggerOf(event: DockerEvent, known: (id: string) => boolean): Trigger | undefined {
  if (event.type === 'network') {
    if (event.action === 'create' || event.action === 'destroy') return { type: 'networks' };
    const { container } = event;
    return container !== undefined && known(container) ? { type: 'inspect', id: container } : undefined;
  }
  if (!isLabelled(event.labels)) return undefined;
  if (event.action !== 'kill') return { type: 'inspect', id: event.id };
  if (event.signal === undefined) return undefined;
  return { type: 'kill', id: event.id, signal: event.signal, time: event.time };
}

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

  /** Any other signal (HUP to reload, USR1 to rotate logs) is the container's own affair. */
  draining({ id, stopSignal, startedAt }: Pick<ContainerState, 'id' | 'stopSignal' | 'startedAt'>): boolean {
    const signals = this.#sent.get(id);
    return [stopSignal, SIGKILL].some((signal) => (signals?.get(signal) ?? -Infinity) >= startedAt);
  }

  /** The container does not run any more. */
  forget(id: string): void {
    this.#sent.delete(id);
  }
}
