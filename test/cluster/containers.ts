import type { Pair } from './addresses.js';

/** Every container serves this port, over TCP and UDP (test/e2e/server.ts). */
export const SERVER_PORT = 8080;

/** The containers of one host. */
export interface Containers {
  /** Starts one and has it registered; resolves when it serves. */
  start(name: string, service: string): Promise<void>;
  /** Ends one in the orderly way: it is no backend any more before it stops. */
  stop(name: string): Promise<void>;
  addressOf(name: string): Promise<Pair>;
  /** What was started and not stopped. */
  readonly names: readonly string[];
  /** As the host's power goes. Its own processes are the host's to end. */
  destroy(): Promise<void>;
}
