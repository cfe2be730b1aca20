import type { Subcommand } from './subcommand.js';

/** `clusterf NAME …`, in the order of the help; each is loaded only when it is needed. */
export const SUBCOMMANDS: Readonly<Record<string, () => Promise<Subcommand>>> = {
  up: async () => await import('./up/index.js'),
};
