/** The ways for a connection to outlive its balancer: how edge and router are set up for each. */

/**
 * In the tree. A message holds two connections or three, so that under traffic none waits long for its message to be
 * full: a new connection is known to the others sooner.
 */
export const SYNC = { interface: 'fabric', syncId: 1, maxlen: 200 } as const;

export interface FailoverProfile {
  /** Of clusterf-ipvs on an edge balancer. */
  readonly args: readonly string[];
  /** Whether the tree has SYNC. */
  readonly sync: boolean;
  /** Whether the router keeps flows where they are (router/resilient-routes.js). */
  readonly resilient: boolean;
  /** Whether it takes a while until a connection is safe. */
  readonly ages: boolean;
}

const sync = { args: ['--profile', 'edge-sync', '--ipvs-sched-name', 'rr'], sync: true, ages: true } as const;

export const PROFILES = {
  sync: { ...sync, resilient: false },
  resilient: { ...sync, resilient: true },
  mh: { args: ['--profile', 'edge-mh', '--ipvs-sched-name', 'mh'], sync: false, resilient: false, ages: false },
  both: { args: ['--profile', 'edge-sync', '--ipvs-sched-name', 'mh'], sync: true, resilient: false, ages: true },
} as const satisfies Readonly<Record<string, FailoverProfile>>;

export type ProfileName = keyof typeof PROFILES;
