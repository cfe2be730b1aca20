export { main } from './main.js';
export type { Subcommand } from './subcommand.js';
export { SUBCOMMANDS } from './subcommands.js';
