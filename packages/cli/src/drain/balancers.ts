/** What balancers tell of themselves at `balancers/<name>/status`. */
import * as z from 'zod';

const DrainedThere = z.object({
  kind: z.enum(['host', 'backend', 'balancer']),
  name: z.string(),
  /** As the entry says that it has taken in. */
  since: z.string().optional(),
  destinations: z.number().optional(),
  shared: z.number().optional(),
  activeConnections: z.number().optional(),
  bound: z.number().optional(),
});

/** As the agents write it. What an older one does not say yet is undefined. */
const Status = z.object({
  /** It has ended, and leaves the entry to its lease. */
  stopped: z.string().optional(),
  vipInterface: z.string().nullable().optional(),
  onlyHost: z.string().nullable().optional(),
  drained: z.array(DrainedThere).optional(),
});

export type DrainedThere = z.infer<typeof DrainedThere>;

export interface Balancer extends Omit<z.infer<typeof Status>, 'stopped'> {
  readonly name: string;
}

/** Undefined for one that has ended. One that nobody can read is there, and says nothing. */
export function readBalancer(name: string, text: string): Balancer | undefined {
  const { stopped, ...status } = parsed(text);
  return stopped === undefined ? { name, ...status } : undefined;
}

function parsed(text: string): z.infer<typeof Status> {
  try {
    return Status.parse(JSON.parse(text));
  } catch {
    return {};
  }
}
