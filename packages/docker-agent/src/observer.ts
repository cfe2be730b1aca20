import type { RegistrationEvent } from '@clusterf/store';

export type Outcome = 'done' | 'failed';

/** Counts what the agent does; metrics.ts does so for Prometheus. */
export interface Observer {
  /** @param action by Docker's name, which may be any text */
  event(type: 'container' | 'network', action: string): void;
  /** @param seconds that Docker took to answer */
  inspect(outcome: Outcome, seconds: number): void;
  listing(outcome: Outcome): void;
  /** The event stream ended, or could not be had. */
  loss(): void;
  registration(event: RegistrationEvent): void;
  /** Seconds from the arrival of an event until etcd had what came of it. */
  eventToEtcd(seconds: number): void;
}
